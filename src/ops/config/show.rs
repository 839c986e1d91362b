//! The report as text.

use super::ConfigReport;
use crate::ui;

/// Sections of the report. The most important one comes last, since a terminal shows the end of a text.
pub(super) fn text(report: &ConfigReport) -> String {
    let mut text = String::new();
    let mut group = "";
    let mut rows: Vec<Vec<String>> = Vec::new();
    for setting in report.settings.iter().filter(|setting| !setting.value.is_empty()) {
        if setting.group != group {
            group = setting.group;
            rows.push(vec![format!("# {group}")]);
        }
        rows.push(vec![setting.name.to_owned(), setting.value.clone(), setting.from.clone()]);
    }
    section(&mut text, "settings", &grouped(&rows));
    let rows: Vec<_> = report.resource.iter().map(|(key, value)| vec![key.clone(), value.clone()]).collect();
    section(&mut text, "resource", &table(&rows));
    if let Some(program) = &report.program {
        let title = format!("layers in {}", program.file.display());
        let layers = match &program.layers {
            None => "a script; what it starts may have some".to_owned(),
            Some(notes) if notes.is_empty() => "none".to_owned(),
            Some(notes) => {
                let rows: Vec<_> = notes.iter().map(|note| vec![note.name.clone(), note.version.clone()]).collect();
                [&[table(&rows)], program.verdict.as_slice()].concat().join("\n")
            }
        };
        section(&mut text, &title, &layers);
    }
    let rows: Vec<_> = report
        .exports
        .iter()
        .map(|export| {
            let answer = export.answer.clone().unwrap_or_default();
            vec![export.what.to_owned(), export.exporter.to_owned(), export.to.clone(), answer]
        })
        .collect();
    section(&mut text, "exports", &if rows.is_empty() { "none".to_owned() } else { table(&rows) });
    let problems: Vec<String> = report
        .problems
        .iter()
        .map(|problem| match &problem.hint {
            Some(hint) => format!("{}\n  hint: {hint}", problem.problem),
            None => problem.problem.clone(),
        })
        .collect();
    section(&mut text, "problems", &if problems.is_empty() { "none".to_owned() } else { problems.join("\n") });
    text.trim_start().to_owned()
}

fn section(text: &mut String, title: &str, content: &str) {
    text.push_str(&format!("\n{title}\n"));
    for line in content.lines() {
        text.push_str(format!("  {line}").trim_end());
        text.push('\n');
    }
}

/// Rows of one column are headings; the columns of the others are as wide as their widest.
fn grouped(rows: &[Vec<String>]) -> String {
    let values: Vec<Vec<String>> = rows.iter().filter(|row| row.len() > 1).cloned().collect();
    let aligned = table(&values);
    let mut aligned = aligned.lines();
    let lines = rows.iter().map(|row| match row.as_slice() {
        [heading] => heading.clone(),
        _ => aligned.next().unwrap_or_default().to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn table(rows: &[Vec<String>]) -> String {
    let Some((first, rest)) = rows.split_first() else { return String::new() };
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    ui::table(&first, rest)
}
