//! A batch of items that are encoded already: one buffer, of which each item belongs to a program and a scope. What all
//! batches have in common is prepared once.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::resource::v1 as resource;
use prost::Message;

use super::protobuf::{begin, bytes, sized};
use crate::resource::Source;
use crate::signals::resource::to_otlp;

/// Programs and scopes that are prepared. Beyond that all are forgotten between two batches.
const MAX_GROUPS: usize = 256;

/// An encoded span or log record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedItem<'a> {
    pub(crate) source: &'a Source,
    pub(crate) scope: &'a Arc<InstrumentationScope>,
    /// The message, without what precedes it in its scope.
    pub(crate) message: &'a [u8],
}

/// Items of one program and scope.
struct Group {
    program: usize,
    scope: Arc<InstrumentationScope>,
    /// The scope as a field of its message, and its schema URL.
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// A program.
struct Program {
    source: Source,
    /// The resource as a field of its message, and its schema URL.
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// A batch as it grows. The requests of traces and of logs have the same shape: programs, scopes, items.
#[derive(Default)]
pub(crate) struct EncodedBatch {
    programs: Vec<Program>,
    groups: Vec<Group>,
    /// The messages of all items.
    messages: Vec<u8>,
    items: Vec<Place>,
}

/// The group of an item, and where it begins and ends.
type Place = (u32, u32, u32);

impl EncodedBatch {
    /// Adds an item; returns the memory that it takes.
    pub(crate) fn add(&mut self, item: &EncodedItem<'_>) -> usize {
        let group = self.group(item);
        let start = self.messages.len() as u32;
        self.messages.extend_from_slice(item.message);
        self.items.push((group as u32, start, self.messages.len() as u32));
        item.message.len() + size_of::<Place>()
    }

    fn group(&mut self, item: &EncodedItem<'_>) -> usize {
        let is_same = |group: &Group, whole: bool| {
            self.programs[group.program].source == *item.source
                && (Arc::ptr_eq(&group.scope, item.scope) || (whole && group.scope == *item.scope))
        };
        let known = self.groups.iter().position(|group| is_same(group, false));
        let known = known.or_else(|| self.groups.iter().position(|group| is_same(group, true)));
        known.unwrap_or_else(|| {
            let program = self.program(item.source);
            self.groups.push(Group::new(program, item.scope));
            self.groups.len() - 1
        })
    }

    fn program(&mut self, source: &Source) -> usize {
        let known = self.programs.iter().position(|program| program.source == *source);
        known.unwrap_or_else(|| {
            self.programs.push(Program::new(source));
            self.programs.len() - 1
        })
    }

    /// The request that holds all items, by programs and scopes; the batch is empty then.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        // Items of a scope keep their order.
        self.items.sort_unstable();
        let of_group: Vec<(usize, &[Place])> =
            self.items.chunk_by(|one, other| one.0 == other.0).map(|items| (items[0].0 as usize, items)).collect();
        let message_size = |item: &Place| sized((item.2 - item.1) as usize);
        let scope_size = |(group, items): &(usize, &[Place])| {
            let Group { head, tail, .. } = &self.groups[*group];
            head.len() + tail.len() + items.iter().map(message_size).sum::<usize>()
        };
        let mut sizes: Vec<(usize, Vec<usize>, usize)> = Vec::new();
        for (number, program) in self.programs.iter().enumerate() {
            let indices = of_group.iter().enumerate().filter(|(_, (group, _))| self.groups[*group].program == number);
            let indices: Vec<usize> = indices.map(|(index, _)| index).collect();
            if !indices.is_empty() {
                let scopes: usize = indices.iter().map(|index| sized(scope_size(&of_group[*index]))).sum();
                sizes.push((number, indices, program.head.len() + program.tail.len() + scopes));
            }
        }
        let mut request = Vec::with_capacity(sizes.iter().map(|(.., size)| sized(*size)).sum());
        for (program, indices, size) in sizes {
            let program = &self.programs[program];
            begin(&mut request, 1, size);
            request.extend_from_slice(&program.head);
            for index in indices {
                let (group, items) = &of_group[index];
                begin(&mut request, 2, scope_size(&of_group[index]));
                request.extend_from_slice(&self.groups[*group].head);
                for (_, start, end) in *items {
                    bytes_or_none(&mut request, self.messages.get(*start as usize..*end as usize).unwrap_or_default());
                }
                request.extend_from_slice(&self.groups[*group].tail);
            }
            request.extend_from_slice(&program.tail);
        }
        self.messages.clear();
        self.items.clear();
        if self.groups.len() > MAX_GROUPS {
            self.groups.clear();
            self.programs.clear();
        }
        request
    }
}

/// An item, which is one whatever it holds.
fn bytes_or_none(to: &mut Vec<u8>, message: &[u8]) {
    begin(to, 2, message.len());
    to.extend_from_slice(message);
}

impl Group {
    fn new(program: usize, scope: &Arc<InstrumentationScope>) -> Group {
        let mut tail = Vec::new();
        bytes(&mut tail, 3, scope.schema_url().unwrap_or_default().as_bytes());
        let encoded = common::InstrumentationScope::from((&**scope, None)).encode_to_vec();
        Group { program, scope: Arc::clone(scope), head: field(&encoded), tail }
    }
}

impl Program {
    fn new(source: &Source) -> Program {
        let resource = to_otlp(source.resource());
        let mut tail = Vec::new();
        bytes(&mut tail, 3, resource.schema_url.unwrap_or_default().as_bytes());
        let attributes = resource.attributes.0;
        let encoded = resource::Resource { attributes, dropped_attributes_count: 0, entity_refs: Vec::new() };
        Program { source: source.clone(), head: field(&encoded.encode_to_vec()), tail }
    }
}

/// A message as the first field of another.
fn field(message: &[u8]) -> Vec<u8> {
    let mut field = Vec::with_capacity(sized(message.len()));
    begin(&mut field, 1, message.len());
    field.extend_from_slice(message);
    field
}
