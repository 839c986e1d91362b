macro_rules! cfg_rt {
    ($($item:item)*) => { $($item)* };
}

cfg_rt! {
    pub struct Server<T>
    where
        T: Send,
    {
        inner: T,
        open: bool,
    }

    impl<T: Send> Server<T> {
        pub fn new(inner: T) -> Server<T> {
            Server {
                inner,
                open: true,
            }
        }

        pub fn is_open(self) -> Option<T> {
            self.open.then_some(self.inner)
        }
    }
}
