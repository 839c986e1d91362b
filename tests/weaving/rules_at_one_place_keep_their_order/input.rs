pub fn run() {
    one();
}

fn one() {}
