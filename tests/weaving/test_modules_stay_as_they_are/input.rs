pub fn run(x: u32) -> u32 {
    double(x)
}

fn double(x : u32) -> u32 {
    x * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles() {
        assert_eq!(double(2), 4);
    }
}
