//! What is made from the command line's own definition: completions and manual pages.

use clap::Command;
use clap_complete::Shell;

use crate::ui;

/// Arguments of `otel-rs completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Arguments of `otel-rs man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The page of this command, `otel-rs`'s own without
    #[arg(value_parser = ["bootstrap", "config", "demo", "diff", "inspect", "instrument", "list"])]
    command: Option<String>,
}

/// Completions of everything.
pub(super) fn completions(args: &CompletionsArgs, whole: Command) -> i32 {
    const NAME: &str = "otel-rs";
    // What is hidden from the help is hidden here, too, which the generator does not do.
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut shown = Command::new(NAME).version("").args(whole.get_arguments().cloned()).subcommands(shown);
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut shown, NAME, &mut text);
    // For bash, the generator calls one and the same command by two names if there is a `-` in ours.
    ui::out_raw(String::from_utf8_lossy(&text).replace("otel__subcmd__rs", "otel__rs"));
    0
}

/// One manual page.
pub(super) fn page(args: &ManArgs, mut whole: Command) -> i32 {
    whole.build();
    let part = args.command.as_ref().and_then(|name| whole.find_subcommand(name)).cloned();
    let page = match part {
        // The page of a command is found by its whole name.
        Some(part) => {
            let name = format!("otel-rs-{}", part.get_name());
            clap_mangen::Man::new(part.name(name))
        }
        None => clap_mangen::Man::new(whole),
    };
    let mut text = Vec::new();
    // Into memory, where there is always room.
    let _ = page.render(&mut text);
    ui::out_raw(String::from_utf8_lossy(&text));
    0
}
