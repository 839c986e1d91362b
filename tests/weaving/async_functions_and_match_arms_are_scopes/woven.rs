pub enum State {
    Open,
    Closed,
}

pub struct Service {
    pub state: State,
}

impl Service {
    pub async fn call(&self, request: Result<u32, String>) -> Result<u32, String> {
        let request = match request {
            Ok(request) => Ok(request),
            Err(error) => Err(error),
        };
        match self.state {
            State::Open => crate::otel_rs::ready(request?),
            State::Closed => Err(String::new()),
        }
    }
}
