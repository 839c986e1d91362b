//! Spans and log records on their way out, each with the program that it comes from.

use crate::resource::Source;
use crate::signals::{BatchItem, Signal};

/// A span or log record, and its program.
#[derive(Debug, Clone)]
pub(crate) struct Sourced<T> {
    pub(crate) source: Source,
    pub(crate) item: T,
}

impl<T: BatchItem> BatchItem for Sourced<T> {
    const SIGNAL: Signal = T::SIGNAL;
    const QUEUE: &'static str = T::QUEUE;

    fn weight(&self) -> usize {
        size_of::<Source>() + self.item.weight()
    }
}

/// A batch by programs, in the order in which their first items stand in it.
pub(crate) fn by_source<T>(batch: Vec<Sourced<T>>) -> Vec<(Source, Vec<T>)> {
    let mut sorted: Vec<(Source, Vec<T>)> = Vec::new();
    for Sourced { source, item } in batch {
        match sorted.iter_mut().find(|(known, _)| *known == source) {
            Some((_, items)) => items.push(item),
            None => sorted.push((source, vec![item])),
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::source;

    #[test]
    fn each_program_stands_once_and_its_items_keep_their_order() {
        let (a, b) = (source(0, "a"), source(1, "b"));
        let batch = [(&b, 1), (&a, 2), (&b, 3), (&a, 4), (&b, 5)];
        let batch = batch.map(|(source, item)| Sourced { source: source.clone(), item });
        assert_eq!(by_source(batch.into()), [(b, vec![1, 3, 5]), (a, vec![2, 4])]);
    }
}
