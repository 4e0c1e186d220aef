//! Rules about the text of one file; each takes a file and returns its findings as `path:line: what`.
//!
//! Words that the rules ban are put together from two halves, so that this file passes its own rules.

use crate::source_tree::SourceFile;
use std::path::{Component, Path, PathBuf};

/// Longest source file in lines; a longer one is split by concept.
const LINES_MAX: usize = 600;
/// Fewest words that state a fact after the word of a safety comment.
const SAFETY_WORDS_MIN: usize = 3;

/// The file, if it is too long.
pub fn too_long(file: &SourceFile) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines > LINES_MAX { vec![file.finding(LINES_MAX, &format!("{lines} lines, over {LINES_MAX}"))] } else { vec![] }
}

/// Where unsafe code may stand: the drivers, the test that counts allocations, which must be an allocator to do so, and the
/// door to the verilated models, which are C++.
const UNSAFE_MAY_STAND_IN: [&str; 3] = ["drivers/", "tests/no_allocation.rs", "fpga-hdl/sim/src/ffi.rs"];

/// Unsafe code outside of the drivers, and unsafe code in a file that never says what makes it sound.
pub fn misplaced_unsafe(file: &SourceFile) -> Vec<String> {
    let explained = file.text.contains(SAFETY) || file.text.contains("/// # Safety");
    let allowed = UNSAFE_MAY_STAND_IN.iter().any(|place| file.path.starts_with(place));
    let complaint = match (allowed, explained) {
        (true, true) => return vec![],
        (true, false) => "unsafe code in a file without any safety comment",
        (false, _) => "unsafe code outside of drivers/",
    };
    lines_where(file, |line| has_word(&code_of(line), "unsafe"), complaint)
}

/// Safety comments that give no reason, or too short a one to name a fact.
pub fn empty_safety_comments(file: &SourceFile) -> Vec<String> {
    let lines: Vec<_> = file.text.lines().collect();
    let is_empty = |start: usize| {
        let (_, first) = lines[start].split_once(SAFETY).unwrap_or_default();
        let rest = lines[start + 1..].iter().map(|line| line.trim()).take_while(|line| line.starts_with("//"));
        let words = rest.flat_map(str::split_whitespace).filter(|word| !word.starts_with("//"));
        words.chain(first.split_whitespace()).count() < SAFETY_WORDS_MIN
    };
    let starts =
        (0..lines.len()).filter(|line| lines[*line].trim_start().starts_with("//") && lines[*line].contains(SAFETY));
    starts.filter(|line| is_empty(*line)).map(|line| file.finding(line, "safety comment without a fact")).collect()
}

const SAFETY: &str = concat!("SAFETY", ":");

/// Notes to oneself, and names that say nothing, in the text or as the name of the file.
pub fn stale_words(file: &SourceFile) -> Vec<String> {
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let names = [concat!("utils", ".rs"), concat!("common", ".rs"), concat!("helpers", ".rs"), concat!("types", ".rs")];
    let vague = concat!("man", "ager");
    let is_stale = |line: &str| {
        notes.iter().any(|note| has_word(line, note))
            || names.iter().any(|name| has_word(line, name))
            || (file.is_source() && code_of(line).to_lowercase().contains(vague))
    };
    let mut findings = lines_where(file, is_stale, "stale word");
    if is_stale(&file.path) || file.path.to_lowercase().contains(vague) {
        findings.push(format!("{}: stale file name", file.path));
    }
    findings
}

/// Paths that exist only where the code was written.
pub fn machine_paths(file: &SourceFile) -> Vec<String> {
    let forbidden = [concat!("/wo", "rk/"), concat!("../sha", "red"), concat!("/ho", "me/")];
    lines_where(file, |line| forbidden.iter().any(|path| line.contains(path)), "path of one machine")
}

/// Tests that are ignored without saying why.
pub fn ignored_without_reason(file: &SourceFile) -> Vec<String> {
    let bare = |line: &str| {
        let code = line.trim_start();
        code.starts_with("#[ignore") && code.strip_prefix("#[ignore = \"").is_none_or(|reason| reason.starts_with('"'))
    };
    lines_where(file, bare, "ignored test without a reason")
}

/// Links of a document to a path for which `exists` is false; the path is given from the root.
pub fn dead_links(file: &SourceFile, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for target in link_targets(line) {
            if !exists(&normalised(&folder.join(target))) {
                findings.push(file.finding(number, &format!("link to {target}, which does not exist")));
            }
        }
    }
    findings
}

/// A thing that a command line names and that must exist.
pub enum Argument<'a> {
    /// A script, as its path from the root.
    Script(&'a str),
    /// A package of the workspace.
    Package(&'a str),
    /// A target by the folder of its kind and its name.
    Target(&'a str, &'a str),
}

/// Commands in fenced blocks of a document that name something for which `exists` is false.
pub fn dead_commands(file: &SourceFile, exists: impl Fn(&Argument) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (number, line) in file.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        let is_dead = |argument: &Argument| fenced && !exists(argument);
        if arguments(line).iter().any(is_dead) {
            findings.push(file.finding(number, &format!("names what does not exist: {}", line.trim())));
        }
    }
    findings
}

/// The scripts, packages and targets that a command line names.
fn arguments(line: &str) -> Vec<Argument<'_>> {
    let words: Vec<_> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
    let is_cargo = words.contains(&"cargo");
    let first = words.iter().find(|word| **word != "$").and_then(|word| word.strip_prefix("./"));
    let script = first.filter(|path| !path.starts_with("target/")).map(Argument::Script);
    let options = words.windows(2).filter(|_| is_cargo).filter_map(|pair| match pair[0] {
        "-p" | "--package" => Some(Argument::Package(pair[1])),
        "--example" => Some(Argument::Target("examples", pair[1])),
        "--bench" => Some(Argument::Target("benches", pair[1])),
        "--test" => Some(Argument::Target("tests", pair[1])),
        _ => None,
    });
    script.into_iter().chain(options).collect()
}

/// Targets of the links in a line that are paths, without their fragment.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
    let paths = inline.chain(definition).filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    paths.filter_map(|target| target.split('#').next()).filter(|path| !path.is_empty())
}

/// `path` without `.` and `..`.
fn normalised(path: &Path) -> String {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean.to_string_lossy().into_owned()
}

fn lines_where(file: &SourceFile, bad: impl Fn(&str) -> bool, what: &str) -> Vec<String> {
    let numbered = file.text.lines().enumerate().filter(|(_, line)| bad(line));
    numbered.map(|(number, line)| file.finding(number, &format!("{what}: {}", line.trim()))).collect()
}

/// A line without its comment and without what stands in quotes.
fn code_of(line: &str) -> String {
    let code = line.split("//").next().unwrap_or_default().replace("\\\"", "");
    code.split('"').step_by(2).collect()
}

/// Whether `word` stands in `text` with no letter, digit or underscore around it.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_file_of_601_lines_is_too_long() {
        assert!(too_long(&file("a.rs", &"x\n".repeat(600))).is_empty());
        assert_eq!(too_long(&file("a.rs", &"x\n".repeat(601))), ["a.rs:601: 601 lines, over 600"]);
    }

    #[test]
    fn unsafe_code_is_found_outside_of_drivers_but_not_in_words() {
        assert_eq!(misplaced_unsafe(&file("src/a.rs", "\nunsafe { x() }\n")).len(), 1);
        assert_eq!(misplaced_unsafe(&file("src/a.rs", "unsafe impl Send for A {}")).len(), 1);
        let harmless = "#![forbid(unsafe_code)]\n// unsafe { }\nlet a = \"unsafe\";\n";
        assert!(misplaced_unsafe(&file("src/a.rs", harmless)).is_empty());
    }

    #[test]
    fn unsafe_code_in_a_driver_needs_a_safety_comment_in_its_file() {
        assert_eq!(misplaced_unsafe(&file("drivers/a.rs", "unsafe { x() }")).len(), 1);
        let explained = format!("// {SAFETY} the pointer is mapped\nunsafe {{ x() }}");
        assert!(misplaced_unsafe(&file("drivers/a.rs", &explained)).is_empty());
    }

    #[test]
    fn a_safety_comment_without_a_fact_is_found_and_a_wrapped_one_is_not() {
        for bad in ["", " ffi", " it's fine"] {
            assert_eq!(
                empty_safety_comments(&file("a.rs", &format!("// {SAFETY}{bad}\nunsafe {{}}"))).len(),
                1,
                "{bad}"
            );
        }
        let wrapped = format!("// {SAFETY}\n// the region outlives\n// this pointer\nunsafe {{}}");
        assert!(empty_safety_comments(&file("a.rs", &wrapped)).is_empty());
    }

    #[test]
    fn stale_words_are_found_in_texts_and_names() {
        let (note, name, vague) = (concat!("TO", "DO"), concat!("utils", ".rs"), concat!("Man", "ager"));
        assert_eq!(stale_words(&file("a.md", &format!("one\n{note}: two"))).len(), 1);
        assert_eq!(stale_words(&file("a.md", &format!("see {name}"))).len(), 1);
        assert_eq!(stale_words(&file(&format!("src/{name}"), "")).len(), 1);
        assert_eq!(stale_words(&file("a.rs", &format!("struct Buffer{vague};"))).len(), 1);
        assert!(stale_words(&file("a.md", &format!("the package {vague}, xutils_rs"))).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        assert_eq!(machine_paths(&file("a.rs", concat!("x\n\"/wo", "rk/main\""))).len(), 1);
        assert_eq!(machine_paths(&file("a.rs", concat!("see ../sha", "red/design"))).len(), 1);
        assert!(machine_paths(&file("a.rs", "/workspace/shared")).is_empty());
    }

    #[test]
    fn an_ignored_test_without_reason_is_found() {
        let text = "#[ignore]\n#[ignore = \"\"]\n#[ignore = \"needs a device\"]\n";
        assert_eq!(ignored_without_reason(&file("a.rs", text)).len(), 2);
    }

    #[test]
    fn a_dead_link_is_found_from_the_folder_of_its_document() {
        let text = "[a](b.md#c) [w](https://x.y) [s](#s)\n[d](../root.md)\n[e]: gone.md\n";
        let findings = dead_links(&file("docs/x.md", text), |path| ["docs/b.md", "root.md"].contains(&path));
        assert_eq!(findings, ["docs/x.md:3: link to gone.md, which does not exist"]);
    }

    #[test]
    fn a_command_that_names_nothing_is_found_inside_fences_only() {
        let text = "./gone\n```sh\n$ ./gone now\n./test # ./gone\ncargo run -p gone\ncargo run --example gone\n```\n";
        let exists = |argument: &Argument| matches!(argument, Argument::Script("test"));
        let found = dead_commands(&file("a.md", text), exists);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
