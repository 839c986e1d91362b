pub fn run() {
    one(]
}
