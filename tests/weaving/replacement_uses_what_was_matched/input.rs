macro_rules! cfg_server {
    ($($item:item)*) => { $($item)* };
}

pub trait Dispatch {
    fn recv(&self, req: u32) -> u32;
}

pub struct Server<S>(pub S);

pub struct Client<S>(pub S);

impl<S: Fn(u32) -> u32> Server<S> {
    fn call(&self, req: u32) -> u32 {
        (self.0)(req)
    }
}

cfg_server! { impl<S: Fn(u32) -> u32> Dispatch for Server<S> {
 fn recv(&self, req: u32) -> u32 { let fut = self.call(req); /* the answer */ fut } } }

impl<S: Fn(u32) -> u32> Dispatch for Client<S> {
    fn recv(&self, req: u32) -> u32 {
        (self.0)(req)
    }
}
