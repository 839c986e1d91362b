macro_rules! cfg_rt {
    ($($item:item)*) => { $($item)* };
}

cfg_rt! {
    pub struct Server<T>
    where
        T: Send,
    { otel: crate::otel_rs::State, 
        inner: T,
        open: bool,
    }

    impl<T: Send> Server<T> {
        pub fn new(inner: T) -> Server<T> {
            Server {
                inner,
                open: true, otel: crate::otel_rs::State,
            }
        }

        pub fn is_open(self) -> Option<T> {
            self.open.then_some(self.inner)
        }
    }
}
