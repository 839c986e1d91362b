use super::*;
use crate::attribute::key;
use crate::logs::attributes::read;
use crate::logs::Severity;
use crate::scope::Scope;

static SCOPE: Scope = Scope::new("otel-rs:layer:5|logs|1.0.0|0.1.0|\n");

fn pending() -> PendingLog {
    PendingLog::new(Log { scope: &SCOPE, severity: Severity::Info, time: 1 }, 7, false)
}

fn texts(log: &PendingLog) -> Vec<String> {
    read(&log.attributes.borrow()).into_iter().map(|(_, _, text)| String::from_utf8(text).unwrap()).collect()
}

fn missing(log: &PendingLog) -> u32 {
    (log.begun.get() & !log.kept.get()).count_ones() + u32::from(log.attributes.borrow().dropped())
}

/// Counts how often it is formatted, and may be once.
struct Once(Cell<u32>);

impl Once {
    fn new() -> Once {
        Once(Cell::new(0))
    }
}

impl fmt::Display for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(self.0.get() + 1);
        assert_eq!(self.0.get(), 1, "formatted once more");
        f.write_str("on")?;
        f.write_char('c')?;
        f.write_str("e")
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A writer with room for some bytes.
struct Narrow(usize);

impl Write for Narrow {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[test]
fn text_that_the_program_formats_is_copied_and_not_formatted_again() {
    let (log, once) = (pending(), Once::new());
    assert!(!log.is_read());
    assert_eq!(log.copied(0, key::LOG_BODY, &once).to_string(), "once");
    log.format_missing(0, key::LOG_BODY, &once);
    assert_eq!((texts(&log), missing(&log)), (vec!["once".to_owned()], 0));
    assert!(log.is_read());
    log.discard();
}

#[test]
fn text_that_the_program_does_not_format_is_formatted_once() {
    let (log, once) = (pending(), Once::new());
    let _ = log.copied(0, key::LOG_BODY, &once);
    log.format_missing(0, key::LOG_BODY, &once);
    log.format_missing(0, key::LOG_BODY, &once);
    assert_eq!(texts(&log), ["once"]);
    log.discard();
}

#[test]
fn a_program_that_formats_twice_gets_both_and_the_first_is_kept() {
    let log = pending();
    let count = Cell::new(0);
    struct Counts<'a>(&'a Cell<u32>);
    impl fmt::Display for Counts<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            write!(f, "{}", self.0.get())
        }
    }
    let counts = Counts(&count);
    let copied = log.copied(3, key::LOG_BODY, &counts);
    assert_eq!((copied.to_string(), copied.to_string()), ("1".into(), "2".into()));
    assert_eq!(texts(&log), ["1"]);
    log.discard();
}

#[test]
fn an_error_of_the_writer_is_returned_and_a_second_try_begins_anew() {
    let log = pending();
    let parts = format_args!("{}{}{}", "abc", "def", "ghi").to_string();
    let value = parts.split_at(3);
    let value = format!("{}{}", value.0, value.1);
    struct Parts<'a>(&'a str);
    impl fmt::Display for Parts<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.split_inclusive(['c', 'f']).try_for_each(|part| f.write_str(part))
        }
    }
    let parts = Parts(&value);
    let copied = log.copied(0, key::LOG_BODY, &parts);
    assert!(write!(Narrow(4), "{copied}").is_err());
    assert_eq!(texts(&log), ["abcdef…"]);
    assert!(write!(Narrow(9), "{copied}").is_ok());
    assert_eq!(texts(&log), ["abcdefghi"]);
    log.discard();
}

#[test]
fn text_longer_than_the_record_is_no_error_for_the_program() {
    struct Unwraps;
    impl fmt::Display for Unwraps {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..2_000).for_each(|number| write!(f, "{number:04}").unwrap());
            Ok(())
        }
    }
    let (taken, ours) = (pending(), pending());
    assert_eq!(taken.copied(0, key::LOG_BODY, &Unwraps).to_string().len(), 8_000);
    ours.format_missing(0, key::LOG_BODY, &Unwraps);
    for log in [taken, ours] {
        let [text] = &texts(&log)[..] else { panic!("one text") };
        assert!(text.starts_with("00000001") && text.ends_with('…') && text.len() > 4_000, "{}", text.len());
        log.discard();
    }
}

#[test]
fn a_panic_passes_through_and_leaves_the_text_so_far() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            std::panic::panic_any(42)
        }
    }
    let log = pending();
    let panic = catch_unwind(AssertUnwindSafe(|| log.copied(0, key::LOG_BODY, &Panics).to_string()));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&42));
    assert_eq!((texts(&log), missing(&log)), (vec!["half…".to_owned()], 0));
    log.discard();
}

#[test]
fn a_panic_while_formatting_for_us_is_caught() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            panic!("in a test")
        }
    }
    let log = pending();
    log.write(|log| {
        assert!(crate::formatting());
        log.format_missing(0, key::LOG_BODY, &Panics);
        log.format_missing(1, Key::Named("second"), &Panics);
        log.set(Key::Named("after"), "is there".into());
    });
    assert!(!crate::formatting());
    assert_eq!((texts(&log), missing(&log)), (vec!["half…".to_owned(), "is there".to_owned()], 1));
}

#[test]
fn nothing_is_formatted_for_us_where_a_panic_would_end_the_program() {
    let log = PendingLog::new(Log { scope: &SCOPE, severity: Severity::Info, time: 1 }, 7, true);
    let once = Once::new();
    log.format_missing(0, key::LOG_BODY, &once);
    assert_eq!((once.0.get(), missing(&log)), (0, 1));
    log.discard();
}

#[test]
fn each_form_is_shown_as_without_us() {
    #[derive(Debug)]
    #[allow(dead_code)]
    struct Shape {
        side: u8,
        name: &'static str,
    }
    let shape = Shape { side: 200, name: "square" };
    macro_rules! same {
        ($value:expr => $($form:literal),*) => {$({
            let log = pending();
            let copied = log.copied(0, key::LOG_BODY, $value);
            assert_eq!(format!($form, copied), format!($form, $value), "{}", $form);
            // Within another one that indents.
            assert_eq!(format!("{:#?}", [format_args!($form, copied)]), format!("{:#?}", [format_args!($form, $value)]));
            log.discard();
        })*};
    }
    same!(&shape => "{:?}", "{:#?}", "{:x?}", "{:X?}", "{:#x?}", "{:#X?}", "{:5?}", "{:05?}", "{:+?}", "{:*^30?}", "{:<?}");
    same!("text" => "{}", "{:#}", "{:>10}", "{:.2}", "{:-^9.3}", "{:<8}", "{:?}", "{:x?}");
    same!(&1.5 => "{}", "{:+}", "{:08.3}", "{:.0}");
    let number = 1;
    // Arguments take no heed of the form.
    let shown = |arguments: fmt::Arguments<'_>| {
        same!(&arguments => "{}", "{:>30}", "{:?}", "{:#?}");
    };
    shown(format_args!("{}-{:?}", number, "two"));
}

#[test]
fn a_record_is_found_while_it_is_logged_and_by_its_own_name() {
    let (outer, inner) =
        (pending(), PendingLog::new(Log { scope: &SCOPE, severity: Severity::Info, time: 1 }, 8, false));
    let of = |of| PendingLog::find(of, |log| log.map(|log| log.subject));
    assert_eq!(of(1), None);
    outer.while_registered(1, || {
        inner.while_registered(2, || assert_eq!((of(1), of(2), of(3)), (Some(7), Some(8), None)));
        assert_eq!((of(1), of(2)), (Some(7), None));
        let panic = catch_unwind(AssertUnwindSafe(|| inner.while_registered(2, || panic!("in a test"))));
        assert_eq!((panic.is_err(), of(2)), (true, None));
    });
    assert_eq!(of(1), None);
    [outer, inner].iter().for_each(PendingLog::discard);
}

#[test]
fn records_nested_too_deep_are_not_formatted_for_us() {
    fn nested(depth: usize) {
        let log = pending();
        let once = Once::new();
        if depth > 0 {
            log.while_registered(1, || nested(depth - 1));
        }
        log.format_missing(0, key::LOG_BODY, &once);
        assert_eq!(once.0.get(), u32::from(depth != 1), "{depth}");
        log.discard();
    }
    nested(DEPTH + 1);
}

#[test]
fn values_beyond_the_slots_are_shown_and_counted_as_dropped() {
    let (log, once) = (pending(), Once::new());
    assert_eq!(log.copied(SLOTS, Key::Named("late"), &once).to_string(), "once");
    log.format_missing(SLOTS, Key::Named("late"), &once);
    assert_eq!((texts(&log).len(), missing(&log)), (0, 1));
    log.discard();
}

impl Error for Once {}

#[test]
fn an_error_is_taken_where_its_visitor_shows_it_and_not_formatted_again() {
    struct Shown<'a>(&'a (dyn Error + 'static));
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            format_error(self.0, f)
        }
    }
    for (is_shown, texts_there) in [(true, 1), (false, 0)] {
        let (log, once) = (pending(), Once::new());
        log.with_error(5, Key::Named("error"), &once, || {
            let shown = if is_shown { Shown(&once).to_string() } else { once.to_string() };
            assert_eq!(shown, "once");
        });
        log.format_missing(5, Key::Named("error"), &once);
        assert_eq!((texts(&log).len(), missing(&log)), (texts_there, 1 - texts_there as u32));
        assert_eq!(Shown(&Once::new()).to_string(), "once", "of no record");
        log.discard();
    }
}
