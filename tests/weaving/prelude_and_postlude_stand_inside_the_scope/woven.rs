pub fn run() { let guard = crate::otel_rs::begin(); 
    step(); drop(guard);  // the end
}

fn step() {}
