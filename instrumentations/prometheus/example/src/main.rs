//! A shop that counts with the default registry. `otel-rs instrument` exports its metrics, whether or not
//! the page is requested.

use prometheus::{register_histogram, register_int_counter_vec, register_int_gauge, Encoder, TextEncoder};

fn main() -> prometheus::Result<()> {
    let sales = register_int_counter_vec!("shop_sales_total", "Sales.", &["product"])?;
    let visitors = register_int_gauge!("shop_visitors", "People in the shop.")?;
    let baskets = register_histogram!("shop_basket_value", "What a sale brings.", vec![5.0, 10.0, 50.0])?;

    for (product, price) in [("tea", 4.5), ("pot", 39.0), ("tea", 9.0)] {
        sales.with_label_values(&[product]).inc();
        baskets.observe(price);
    }
    visitors.set(2);

    let mut page = Vec::new();
    TextEncoder::new().encode(&prometheus::gather(), &mut page)?;
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
