pub struct Pool(Option<u32>);

impl Pool {
    pub fn first(&self) -> Option<u32> {
        self.0.map(|value| value)
    }

    pub fn second(&self) -> Option<u32> {
        self.0
            .map(|value| value)
    }
}

pub fn outside(value: Option<u32>) -> Option<u32> {
    value.map(|value| value)
}
