pub fn run() {
    step(); // the end
}

fn step() {}
