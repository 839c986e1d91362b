//! Which processes are one program, and what it is called.

use std::ffi::OsString;

use super::*;

/// Programs below a script, which runs as this very process.
fn programs(variables: &[(&str, &str)]) -> Programs {
    programs_with(&[], variables)
}

fn programs_with(flags: &[(&'static str, String)], variables: &[(&str, &str)]) -> Programs {
    let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let config = config::resolve(flags, &env).unwrap().config.resource;
    let program = Program { name: "./start.sh".into(), file: "/srv/start.sh".into(), args: vec!["--all".into()] };
    let pairs = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Programs::new(&config, &program, &pairs.collect(), Arc::new(std::process::id().into()), Vec::new())
}

/// The introduction of a process that has ended.
fn introduced(executable: &str, service_name: Option<&str>, attributes: Option<&str>) -> Introduction {
    let text = |text: &str| text.to_owned();
    Introduction {
        executable: Some(executable.to_owned()),
        service_name: service_name.map(text),
        resource_attributes: attributes.map(text),
    }
}

fn get(source: &Source, key: &'static str) -> Option<String> {
    source.resource().get(key).map(ToString::to_string)
}

fn service(source: &Source) -> String {
    get(source, "service.name").unwrap()
}

/// A pid that no process has, nor has one the next few.
const GONE: u32 = 4_194_304;

#[test]
fn processes_of_one_executable_are_one_program() {
    let mut programs = programs(&[]);
    let a = programs.attached(GONE, &introduced("/srv/a", None, None));
    assert_eq!(a.label(), None, "it is alone");
    let b = programs.attached(GONE + 1, &introduced("/srv/b", None, None));
    let worker = programs.attached(GONE + 2, &introduced("/srv/a (deleted)", None, None));
    assert_eq!((service(&a), service(&b)), ("a".into(), "b".into()));
    assert_eq!(worker, a);
    assert_eq!(get(&worker, "process.pid"), Some(GONE.to_string()), "the first one's");
    assert_ne!(get(&a, "service.instance.id"), get(&b, "service.instance.id"));
    assert_eq!(a.label().as_deref(), Some("a"));
}

#[test]
fn an_ended_process_is_described_by_its_introduction_alone() {
    let b = programs(&[("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "process,process_args")])
        .attached(GONE, &introduced("/srv/b", None, None));
    assert_eq!(get(&b, "process.executable.path").as_deref(), Some("/srv/b"));
    for unknown in ["process.command", "process.command_args", "process.owner", "process.creation.time"] {
        assert_eq!(get(&b, unknown), None, "{unknown}");
    }
}

#[test]
fn a_reused_pid_does_not_describe_the_process_before() {
    // The pid is this test's own, whose executable is not /srv/b.
    let b = programs(&[]).attached(std::process::id(), &introduced("/srv/b", None, None));
    assert_eq!(get(&b, "process.executable.name").as_deref(), Some("b"));
    assert_eq!(get(&b, "process.owner"), None);
}

#[test]
fn programs_differ_by_their_own_names_and_not_by_shared_ones() {
    let mut programs = programs(&[("OTEL_SERVICE_NAME", "all"), ("OTEL_RESOURCE_ATTRIBUTES", "team=x,tier=1")]);
    let all = Some("team=x,tier=1");
    let plain = programs.attached(GONE, &introduced("/srv/a", Some("all"), all));
    assert_eq!(service(&plain), "all");
    let other = programs.attached(GONE + 1, &introduced("/srv/b", Some("all"), all));
    assert_eq!((service(&other), get(&other, "team")), ("all".into(), Some("x".into())));
    assert_eq!(other.label().as_deref(), Some("all/b"));
    let own = programs.attached(GONE + 2, &introduced("/srv/a", Some("own"), all));
    assert_eq!((service(&own), get(&own, "team")), ("own".into(), Some("x".into())));
    let tagged = programs.attached(GONE + 3, &introduced("/srv/a", Some("all"), Some("tier=2,service.name=no")));
    assert_eq!((service(&tagged), get(&tagged, "tier")), ("all".into(), Some("2".into())));
    let unset = programs.attached(GONE + 4, &introduced("/srv/a", None, None));
    assert_eq!(unset, plain, "what it has taken away was given to all");
    let sources = [&plain, &other, &own, &tagged];
    assert!((0..4).all(|one| (0..one).all(|other| sources[one] != sources[other])));
}

#[test]
fn a_name_among_its_own_attributes_is_its_own() {
    let source = programs(&[]).attached(GONE, &introduced("/srv/a", None, Some("service.name=own,k=v")));
    assert_eq!((service(&source), get(&source, "k")), ("own".into(), Some("v".into())));
    let broken = programs(&[]).attached(GONE, &introduced("/srv/a", Some("own"), Some("no pairs")));
    assert_eq!(service(&broken), "own");
}

#[test]
fn a_flag_is_for_all_programs() {
    let own = introduced("/srv/a", Some("own"), Some("service.name=own,k=v"));
    let mut programs = programs_with(&[("OTEL_SERVICE_NAME", "all".to_owned())], &[]);
    let source = programs.attached(GONE, &own);
    assert_eq!((service(&source), get(&source, "k")), ("all".into(), Some("v".into())));
    let mut programs = programs_with(&[("OTEL_RESOURCE_ATTRIBUTES", "k=w".to_owned())], &[]);
    let source = programs.attached(GONE, &own);
    assert_eq!((service(&source), get(&source, "k")), ("own".into(), Some("w".into())));
}

#[test]
fn programs_with_equal_resources_are_one() {
    let settings = [("OTEL_SERVICE_NAME", "all"), ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "none")];
    let mut programs = programs(&settings);
    let a = programs.attached(GONE, &introduced("/srv/a", Some("all"), None));
    assert_eq!(programs.attached(GONE + 1, &introduced("/srv/b", Some("all"), None)), a);
}

#[test]
fn unowned_telemetry_belongs_to_the_first_program_or_to_the_launcher_of_several() {
    let mut alone = programs(&[]);
    let a = alone.attached(GONE, &introduced("/srv/a", None, None));
    assert_eq!(alone.launched(), a);
    let mut several = programs(&[]);
    let sources = ["/srv/a", "/srv/b"].map(|path| several.attached(GONE, &introduced(path, None, None)));
    let launched = several.launched();
    assert!(!sources.contains(&launched));
    assert_eq!(get(&launched, "process.pid"), Some(std::process::id().to_string()));
    let mut unattached = programs(&[]);
    let launched = unattached.launched();
    // The launched process itself attaches at last.
    let executable = std::env::current_exe().unwrap();
    let attached = unattached.attached(std::process::id(), &introduced(executable.to_str().unwrap(), None, None));
    assert_eq!(attached, launched);
    // Behind another root it has another path, until it becomes another program of that name.
    let elsewhere = |path: &str| format!("{path}/{}", executable.file_name().unwrap().to_str().unwrap());
    let inside = unattached.attached(std::process::id(), &introduced(&elsewhere("/jail"), None, None));
    assert_eq!(inside, launched);
    let other = unattached.attached(GONE, &introduced(&elsewhere("/jail"), None, None));
    assert_ne!(other, launched);
}

#[test]
fn programs_beyond_the_limit_share_a_resource() {
    let mut programs = programs(&[("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "process,host,service_instance")]);
    let mut attach = |number: u32| programs.attached(GONE + number, &introduced(&format!("/srv/{number}"), None, None));
    let many = MAX_PROGRAMS as u32 - 1;
    let sources: Vec<Source> = (0..many + 3).map(&mut attach).collect();
    assert_eq!((service(&sources[98]), service(&sources[100])), ("98".into(), "unknown_service".into()));
    assert_eq!(sources[100], sources[101]);
    assert_eq!(get(&sources[100], "process.executable.name"), None);
    assert_eq!(attach(7), sources[7], "who was known stays known");
}
