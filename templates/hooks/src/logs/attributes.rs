//! The attributes of a log record, as in the wire format, on the stack of the thread that logs.

use std::fmt::{self, Write};
use std::mem::MaybeUninit;

use crate::attribute::{self, key, Key, Value};
use crate::wire;
use crate::writer::Writer;

/// What one record may hold, in bytes.
const ROOM: usize = 4 << 10;
/// Marks truncated text, at its end.
const CUT: &str = "…";
/// Text is not begun with less room than this.
const LEAST: usize = 16;
/// What is left for the message while it is not there.
const FOR_BODY: usize = 1 << 10;

/// The attributes of a log record, as in the wire format. Text that does not fit is cut and shows it; what finds no room
/// at all is counted.
pub struct LogAttributes {
    /// Written up to `len`.
    bytes: [MaybeUninit<u8>; ROOM],
    len: usize,
    count: u16,
    dropped: u8,
    has_body: bool,
    open: Option<Piece>,
    /// Where the text that was ended last begins and ends.
    last: (usize, usize),
}

/// Text that is being written.
#[derive(Clone, Copy)]
struct Piece {
    start: usize,
    text: usize,
    limit: usize,
    is_full: bool,
}

/// Where an attribute, and its value, stand.
struct Place {
    start: usize,
    value: usize,
    end: usize,
}

impl LogAttributes {
    pub(super) fn new() -> LogAttributes {
        LogAttributes {
            bytes: [MaybeUninit::uninit(); ROOM],
            len: 0,
            count: 0,
            dropped: 0,
            has_body: false,
            open: None,
            last: (0, 0),
        }
    }

    /// Takes something that need not be formatted.
    pub fn set(&mut self, key: Key<'_>, value: Value<'_>) {
        let is_taken = match value {
            Value::None => return,
            Value::Bytes(bytes) => {
                return match std::str::from_utf8(bytes) {
                    Ok(text) => self.set_text(key, text),
                    Err(_) => self.set_display(key, &Lossy(bytes)),
                }
            }
            Value::Int(int) => self.put_number(key, wire::value::INT, int.to_le_bytes()),
            Value::Float(float) => self.put_number(key, wire::value::FLOAT, float.to_le_bytes()),
            Value::Bool(truth) => self.put_number(key, wire::value::BOOL, [u8::from(truth)]),
            Value::List(_) => false,
        };
        if !is_taken {
            self.count_dropped();
        }
    }

    /// Takes a number if all of it fits.
    #[inline]
    fn put_number<const N: usize>(&mut self, key: Key<'_>, kind: u8, number: [u8; N]) -> bool {
        let Some(mut to) = self.attribute(key, kind, N, self.limit(key)) else { return false };
        to.array(number);
        true
    }

    /// The place of a value of so many bytes, which is to be written, if all of the attribute fits.
    #[inline]
    fn attribute(&mut self, key: Key<'_>, kind: u8, length: usize, limit: usize) -> Option<Writer<'_>> {
        let name = key.name();
        let whole = wire::ATTRIBUTE_HEADER + name.len() + length;
        let end = self.len + whole;
        let to = self.bytes.get_mut(self.len..end).filter(|_| end <= limit)?;
        self.len = end;
        self.count += 1;
        // SAFETY: `to` has as many bytes, and is ours alone.
        let mut to = unsafe { Writer::new(to.as_mut_ptr().cast(), whole) };
        to.array(attribute::header(&key, kind, length));
        if !name.is_empty() {
            to.bytes(name);
        }
        Some(to)
    }

    /// Takes attributes that are written already.
    pub(super) fn set_written(&mut self, (bytes, count): (&[u8], u16)) {
        if self.put(bytes, ROOM - FOR_BODY) {
            self.count += count;
        } else {
            (0..count).for_each(|_| self.count_dropped());
        }
    }

    /// Takes text.
    pub(super) fn set_text(&mut self, key: Key<'_>, text: &str) {
        let start = self.len;
        let limit = self.limit(key) - CUT.len();
        if self.open.is_none() {
            if let Some(mut to) = self.attribute(key, wire::value::STR, text.len(), limit) {
                to.bytes(text.as_bytes());
                self.has_body |= key == key::LOG_BODY;
                self.last = (start, self.len);
                return;
            }
        }
        if !self.begin(key) {
            return self.count_dropped();
        }
        self.push(text);
        if !self.end(true) {
            self.count_dropped();
        }
    }

    /// Takes text that has to be formatted.
    pub fn set_display(&mut self, key: Key<'_>, value: &dyn fmt::Display) {
        if !self.begin(key) {
            return self.count_dropped();
        }
        let is_whole = write!(self, "{value}").is_ok();
        if !self.end(is_whole) {
            self.count_dropped();
        }
    }

    /// Begins text, unless there is no room for it.
    pub(super) fn begin(&mut self, key: Key<'_>) -> bool {
        let limit = self.limit(key) - CUT.len();
        let start = self.len;
        let is_open = self.open.is_some();
        if is_open || !self.header(key, wire::value::STR, 0, limit) || limit.saturating_sub(self.len) < LEAST {
            self.len = start;
            return false;
        }
        self.has_body |= key == key::LOG_BODY;
        self.open = Some(Piece { start, text: self.len, limit, is_full: false });
        true
    }

    /// Adds to the text that was begun. Once something did not fit nothing else follows, however short it is.
    pub(super) fn push(&mut self, text: &str) {
        let Some(piece) = self.open.filter(|piece| !piece.is_full) else { return };
        let mut fits = text.len().min(piece.limit.saturating_sub(self.len));
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.put(text.as_bytes().get(..fits).unwrap_or(&[]), piece.limit);
        self.open = Some(Piece { is_full: fits < text.len(), ..piece });
    }

    /// Ends the text that was begun; false if nothing of it is there.
    pub(super) fn end(&mut self, is_whole: bool) -> bool {
        let Some(Piece { start, text, is_full, .. }) = self.open.take() else { return false };
        if !is_whole && self.len == text {
            self.len = start;
            return false;
        }
        if is_full || !is_whole {
            self.put(CUT.as_bytes(), ROOM);
        }
        // The header again, now that the length is known.
        let length = (self.len - text) as u32;
        if let Some(to) = self.bytes.get_mut(start + 4..start + wire::ATTRIBUTE_HEADER) {
            to.iter_mut().zip(length.to_le_bytes()).for_each(|(to, byte)| *to = MaybeUninit::new(byte));
        }
        self.count += 1;
        self.last = (start, self.len);
        true
    }

    /// Takes the text that was ended last back, if nothing came after it.
    pub(super) fn take_back(&mut self) -> bool {
        let (start, end) = self.last;
        let is_last = end == self.len && end > start;
        if is_last {
            self.len = start;
            self.count = self.count.saturating_sub(1);
            self.last = (0, 0);
        }
        is_last
    }

    /// Counts an attribute that is left out.
    pub(super) fn count_dropped(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Whether there is an attribute of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Leaves no room for a message, of which there is none.
    pub(super) fn use_all(&mut self) {
        self.has_body = true;
    }

    /// Gives the attribute of that name, if there is one, a key that has no name.
    pub(super) fn rename(&mut self, name: &str, key: Key<'_>) {
        let Some(Place { start, value, end }) = self.find(name) else { return };
        let Some([_, _, kind, ..]) = self.bytes().get(start..value) else { return };
        let header = attribute::header(&key, *kind, end - value);
        if let Some(to) = self.bytes.get_mut(start..start + wire::ATTRIBUTE_HEADER) {
            to.iter_mut().zip(header).for_each(|(to, byte)| *to = MaybeUninit::new(byte));
        }
        self.remove(start + wire::ATTRIBUTE_HEADER, value);
    }

    /// Takes the text of that name out, if it is there.
    pub(super) fn take_text<R>(&mut self, name: &str, then: impl FnOnce(&str) -> R) -> Option<R> {
        let Place { start, value, end } = self.find(name)?;
        let text = std::str::from_utf8(self.bytes().get(value..end)?).ok()?;
        let result = then(text);
        self.remove(start, end);
        self.count = self.count.saturating_sub(1);
        Some(result)
    }

    fn find(&self, name: &str) -> Option<Place> {
        let mut start = 0;
        while let Some([_, _, _, length, l0, l1, l2, l3]) = self.bytes().get(start..start + wire::ATTRIBUTE_HEADER) {
            let value = start + wire::ATTRIBUTE_HEADER + usize::from(*length);
            let end = value + u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
            let found = self.bytes().get(start + wire::ATTRIBUTE_HEADER..value);
            if *length > 0 && found == Some(name.as_bytes()) {
                return Some(Place { start, value, end });
            }
            start = end;
        }
        None
    }

    /// Removes bytes between attributes, or within one. None may be open.
    fn remove(&mut self, from: usize, to: usize) {
        if let Some(written) = self.bytes.get_mut(..self.len).filter(|_| from <= to && self.open.is_none()) {
            if to <= written.len() {
                written.copy_within(to.., from);
                self.len -= to - from;
                self.last = (0, 0);
            }
        }
    }

    /// The attributes.
    pub(super) fn bytes(&self) -> &[u8] {
        let written = self.bytes.get(..self.len).unwrap_or(&[]);
        // SAFETY: all up to `len` is written, and bytes that are have the layout of bytes.
        unsafe { &*(written as *const [MaybeUninit<u8>] as *const [u8]) }
    }

    /// How many attributes there are.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// How many found no room.
    pub(super) fn dropped(&self) -> u8 {
        self.dropped
    }

    fn limit(&self, key: Key<'_>) -> usize {
        if self.has_body || key == key::LOG_BODY {
            ROOM
        } else {
            ROOM - FOR_BODY
        }
    }

    fn header(&mut self, key: Key<'_>, kind: u8, length: usize, limit: usize) -> bool {
        self.put(&attribute::header(&key, kind, length), limit) && self.put(key.name(), limit)
    }

    fn put(&mut self, bytes: &[u8], limit: usize) -> bool {
        let end = self.len + bytes.len();
        match self.bytes.get_mut(self.len..end) {
            Some(to) if end <= limit => {
                // SAFETY: as many bytes as `to` has, which is ours alone.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_mut_ptr().cast(), bytes.len()) };
                self.len = end;
                true
            }
            _ => false,
        }
    }
}

/// Writes into the text that was begun. It never fails: text that does not fit is no error of the code that formats.
impl Write for LogAttributes {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

impl fmt::Debug for LogAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogAttributes").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Bytes that should be UTF-8.
struct Lossy<'a>(&'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => return f.write_str(text),
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    f.write_str(std::str::from_utf8(good).unwrap_or(""))?;
                    f.write_str("\u{fffd}")?;
                    rest = bad.get(error.error_len().unwrap_or(bad.len())..).unwrap_or(&[]);
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) use tests::read;

#[cfg(test)]
mod tests {
    use super::*;

    /// The attributes as (key, name, value).
    pub(in crate::logs) fn read(attributes: &LogAttributes) -> Vec<(u16, String, Vec<u8>)> {
        let mut rest = attributes.bytes();
        let mut all = Vec::new();
        while !rest.is_empty() {
            let key = u16::from_le_bytes([rest[0], rest[1]]);
            let name = rest[3] as usize;
            let length = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
            let (head, tail) = rest.split_at(wire::ATTRIBUTE_HEADER + name + length);
            let name = String::from_utf8(head[8..8 + name].to_vec()).unwrap();
            let value = head[head.len() - length..].to_vec();
            all.push((key, name, value));
            rest = tail;
        }
        assert_eq!(all.len(), usize::from(attributes.count));
        all
    }

    #[test]
    fn attributes_are_written_in_wire_format() {
        let mut attributes = LogAttributes::new();
        attributes.set_display(key::LOG_BODY, &format_args!("{} and {}", 1, "two"));
        attributes.set(Key::Named("n"), (-1_i64).into());
        attributes.set(Key::Named("nothing"), Value::None);
        attributes.set(Key::Named("yes"), true.into());
        attributes.set(Key::Named("bytes"), b"a\xffb".as_slice().into());
        let expected = [
            (wire::key::LOG_BODY, String::new(), b"1 and two".to_vec()),
            (0, "n".into(), (-1_i64).to_le_bytes().to_vec()),
            (0, "yes".into(), vec![1]),
            (0, "bytes".into(), "a\u{fffd}b".as_bytes().to_vec()),
        ];
        assert_eq!(read(&attributes), expected);
        assert_eq!(attributes.dropped, 0);
        assert!(attributes.has("bytes") && !attributes.has("byte") && !attributes.has(""));
    }

    #[test]
    fn what_is_written_already_is_taken_whole_or_counted() {
        let (bytes, count) = attribute::encoded(&[(key::LOG_TARGET, "shop".into()), (key::CODE_LINE, Value::Int(7))]);
        let mut attributes = LogAttributes::new();
        attributes.set_written((&bytes, count));
        attributes.set(Key::Named("n"), 1.into());
        let keys: Vec<_> = read(&attributes).into_iter().map(|(key, ..)| key).collect();
        assert_eq!(keys, [wire::key::LOG_TARGET, wire::key::CODE_LINE, 0]);
        attributes.set_written((&[0; ROOM], 5));
        assert_eq!((read(&attributes).len(), attributes.dropped), (3, 5));
    }

    #[test]
    fn attributes_are_renamed_and_taken_out_by_name() {
        let mut attributes = LogAttributes::new();
        attributes.set_display(Key::Named("first"), &1);
        attributes.set_display(Key::Named("kind"), &"server");
        attributes.set(Key::Named("count"), 2.into());
        attributes.rename("first", key::SPAN_NAME);
        attributes.rename("absent", key::SPAN_NAME);
        assert_eq!(attributes.take_text("kind", str::len), Some(6));
        assert_eq!(attributes.take_text("kind", str::len), None);
        let expected =
            [(wire::key::SPAN_NAME, String::new(), b"1".to_vec()), (0, "count".into(), 2_i64.to_le_bytes().to_vec())];
        assert_eq!(read(&attributes), expected);
    }

    #[test]
    fn attributes_that_do_not_fit_are_cut_between_characters_or_counted() {
        // Each shift makes another byte of a character the first that does not fit.
        for shift in 0..9 {
            let mut attributes = LogAttributes::new();
            let long = format!("{}{}", "x".repeat(shift), "ä€🦀".repeat(2000));
            attributes.set_display(key::LOG_BODY, &long);
            attributes.set_display(Key::Named("late"), &1);
            attributes.set(Key::Named("later"), 2.into());
            let all = read(&attributes);
            let text = std::str::from_utf8(&all[0].2).unwrap();
            assert!(text.ends_with('…') && long.starts_with(text.trim_end_matches('…')), "{text}");
            assert!(attributes.len > ROOM - 8 && attributes.len <= ROOM);
            assert_eq!((all.len(), attributes.dropped), (1, 2));
        }
    }

    #[test]
    fn a_text_of_every_length_stays_within_its_room() {
        for length in ROOM - 40..ROOM + 10 {
            let mut attributes = LogAttributes::new();
            attributes.set_display(key::LOG_BODY, &format_args!("{}{}", "x".repeat(length), "é"));
            attributes.set(Key::Named("n"), 1.into());
            let all = read(&attributes);
            assert!(std::str::from_utf8(&all[0].2).is_ok());
            assert_eq!(all.len() + usize::from(attributes.dropped), 2);
        }
    }

    #[test]
    fn a_long_attribute_leaves_room_for_the_message() {
        let mut attributes = LogAttributes::new();
        attributes.set_display(Key::Named("long"), &"x".repeat(ROOM));
        attributes.set(Key::Named("late"), 1.into());
        attributes.set_display(key::LOG_BODY, &"m".repeat(FOR_BODY / 2));
        let all = read(&attributes);
        assert_eq!((all.len(), attributes.dropped), (2, 1));
        assert_eq!(all[1].2, "m".repeat(FOR_BODY / 2).into_bytes());
    }

    #[test]
    fn text_that_breaks_off_shows_it() {
        let mut attributes = LogAttributes::new();
        assert!(attributes.begin(Key::Named("half")));
        attributes.push("half");
        assert!(attributes.end(false));
        assert!(attributes.begin(Key::Named("none")) && !attributes.end(false));
        assert!(attributes.begin(Key::Named("empty")) && attributes.end(true));
        let texts: Vec<_> =
            read(&attributes).into_iter().map(|(_, name, text)| (name, String::from_utf8(text).unwrap())).collect();
        assert_eq!(texts, [("half".into(), "half…".into()), ("empty".into(), String::new())]);
        assert!(attributes.take_back() && !attributes.take_back());
        assert_eq!(read(&attributes).len(), 1);
    }
}
