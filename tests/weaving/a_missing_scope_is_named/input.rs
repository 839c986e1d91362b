pub fn run() {
    one();
    one();
}

fn one() {}
