//! Rules about manifests and settings; each takes text and returns findings.

use crate::source_tree::SourceFile;

/// Members of the workspace that are listed without saying what they are.
pub fn members_without_comment(manifest: &str) -> Vec<String> {
    let list = manifest.lines().skip_while(|line| !line.starts_with("members")).skip(1);
    let members = list.take_while(|line| !line.starts_with(']')).map(str::trim).filter(|line| line.starts_with('"'));
    let bare = members.filter(|line| line.split_once('#').is_none_or(|(_, comment)| comment.trim().is_empty()));
    bare.map(|line| format!("Cargo.toml: {line} has no comment")).collect()
}

/// What the manifest at `path` lacks: the workspace's lints, a description.
pub fn incomplete_manifest(path: &str, manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !manifest.contains("[lints]\nworkspace = true") {
        findings.push(format!("{path}: no [lints] workspace = true"));
    }
    let description = manifest.lines().find_map(|line| line.strip_prefix("description = "));
    if description.is_none_or(|text| text.trim_matches('"').trim().is_empty()) {
        findings.push(format!("{path}: no description"));
    }
    findings
}

/// Settings of the root's clippy.toml that a nested one lacks, since clippy reads only the nearest.
pub fn missing_settings(nested: &SourceFile, root: &str) -> Vec<String> {
    let settings = root.lines().filter(|line| !line.starts_with('#') && line.contains('='));
    let missing = settings.filter(|setting| !nested.text.lines().any(|line| line == *setting));
    missing.map(|setting| format!("{}: lacks `{setting}` of the root", nested.path)).collect()
}

/// Dependencies that `package` may not have: other members of the workspace, and the door to the system.
pub fn forbidden_dependencies(dependencies: &[String], package: &str, members: &[String]) -> Vec<String> {
    assert!(dependencies.iter().any(|name| name == package), "{package} is not in its own graph");
    let forbidden = |name: &str| name != package && (name == "libc" || members.iter().any(|member| member == name));
    let found = dependencies.iter().filter(|name| forbidden(name));
    found.map(|name| format!("{package} depends on {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_member_without_comment_is_found() {
        let manifest = "[workspace]\nmembers = [\n    \"a\", # the door\n    \"b\",\n    \"c\", #\n]\n\"d\"\n";
        assert_eq!(members_without_comment(manifest).len(), 2);
    }

    #[test]
    fn a_manifest_without_lints_or_description_is_found() {
        let whole = "description = \"x\"\n[lints]\nworkspace = true\n";
        assert!(incomplete_manifest("m", whole).is_empty());
        assert_eq!(incomplete_manifest("m", "description = \"\"\n[lints]\n").len(), 2);
        assert_eq!(incomplete_manifest("m", "[lints]\nworkspace = true\n"), ["m: no description"]);
    }

    #[test]
    fn a_setting_that_is_not_repeated_is_found() {
        let nested = SourceFile { path: "n".into(), text: "a = 1\nb = 3\n".into() };
        assert_eq!(missing_settings(&nested, "# why\na = 1\nb = 2\n"), ["n: lacks `b = 2` of the root"]);
    }

    #[test]
    fn an_arrow_to_a_member_or_to_libc_is_found() {
        let members = names(&["core", "driver"]);
        assert!(forbidden_dependencies(&names(&["core", "bytemuck"]), "core", &members).is_empty());
        assert_eq!(forbidden_dependencies(&names(&["core", "libc", "driver"]), "core", &members).len(), 2);
    }
}
