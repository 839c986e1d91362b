pub fn run() { one(); two(); // both
}

fn one() {}

fn two() {}
