//! The part of the build script that needs Verilator.

#[path = "ports.rs"]
mod ports;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A line of `models.txt`.
struct Model {
    name: String,
    top: String,
    /// Elaborated and checked, but not built: too large to simulate.
    lint: bool,
    parameters: Vec<String>,
}

struct Build {
    verilator_root: String,
    out: PathBuf,
    csrc: PathBuf,
    waivers: PathBuf,
    sources: Vec<PathBuf>,
}

/// Builds every model, or warns that there is no Verilator and leaves `have_verilator` unset.
pub fn build() {
    let Some(verilator_root) = verilator_root() else {
        println!("cargo::warning=verilator not found: the simulated hardware and its tests are left out");
        return;
    };
    let crate_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let hdl = crate_dir.parent().expect("the crate lies in fpga-hdl").to_owned();
    let mut sources = Vec::new();
    for folder in ["rtl", "rtl/gen", "tb"] {
        println!("cargo::rerun-if-changed={}", hdl.join(folder).display());
        sources.extend(files(&hdl.join(folder), "sv"));
    }
    for file in ["models.txt", "build", "csrc"] {
        println!("cargo::rerun-if-changed={}", crate_dir.join(file).display());
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let waivers = hdl.join("lint/waivers.vlt");
    println!("cargo::rerun-if-changed={}", waivers.display());
    let build = Build { verilator_root, out, csrc: crate_dir.join("csrc"), waivers, sources };
    let models = models(&fs::read_to_string(crate_dir.join("models.txt")).expect("models.txt is in the crate"));
    for model in models.iter().filter(|model| model.lint) {
        build.lint(model);
    }
    let models: Vec<_> = models.into_iter().filter(|model| !model.lint).collect();
    for model in &models {
        build.model(model);
    }
    build.registry(&models);
    println!("cargo::rustc-link-search=native={}", build.out.display());
    // The registry names the models and the models name the run time: in this order for the linker.
    for library in ["registry"].into_iter().chain(models.iter().map(|model| model.name.as_str())).chain(["runtime"]) {
        println!("cargo::rustc-link-lib=static={library}");
    }
    println!("cargo::rustc-link-lib=stdc++");
    println!("cargo::rustc-link-lib=pthread");
    println!("cargo::rustc-cfg=have_verilator");
}

fn verilator_root() -> Option<String> {
    let output = Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn models(list: &str) -> Vec<Model> {
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty());
    let parse = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let name = words.next().expect("a model has a name");
        let top = words.next().expect("a model has a top module");
        let (lint, parameters): (Vec<_>, Vec<_>) = words.partition(|word| word == "lint");
        Model { name, top, lint: !lint.is_empty(), parameters }
    };
    lines.map(parse).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut wanted: Vec<_> = paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    wanted.sort();
    wanted
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a file").to_string_lossy().into_owned()
}

fn hash_of<'a>(paths: impl Iterator<Item = &'a PathBuf>, salt: &str) -> String {
    let mut hasher = DefaultHasher::new();
    salt.hash(&mut hasher);
    for path in paths {
        path.hash(&mut hasher);
        fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

impl Build {
    /// A C++ compilation with Verilator's headers.
    fn compiler(&self) -> cc::Build {
        let root = &self.verilator_root;
        let mut compiler = cc::Build::new();
        compiler.cpp(true).std("c++17").opt_level(2).debug(false).warnings(false).cargo_metadata(false);
        compiler.flag_if_supported("-fno-strict-aliasing").include(&self.csrc).include(&self.out);
        compiler.include(format!("{root}/include")).include(format!("{root}/include/vltstd"));
        for (name, value) in [("VM_COVERAGE", "0"), ("VM_SC", "0"), ("VM_TRACE", "0"), ("VL_THREADED", "1")] {
            compiler.define(name, value);
        }
        compiler
    }

    /// Verilates and compiles one model, unless its library is already there for the same sources.
    fn model(&self, model: &Model) {
        let wanted = self.closure(&model.top);
        let salt = format!("{} {:?} {}", model.top, model.parameters, include_str!("ports.rs"));
        let stamp = self.out.join(format!("{}.stamp", model.name));
        let header = self.csrc.join("model.h");
        let hash = hash_of(wanted.iter().chain([&header]), &salt);
        if fs::read_to_string(&stamp).is_ok_and(|found| found == hash) {
            return;
        }
        let generated = self.verilate(model, &wanted);
        let mut compiler = self.compiler();
        compiler.include(&generated).file(self.shim(model, &generated));
        compiler.files(files(&generated, "cpp"));
        compiler.compile(&model.name);
        fs::write(stamp, hash).expect("the build folder is writable");
    }

    /// Elaborates a model with all warnings, unless that was done for the same sources.
    fn lint(&self, model: &Model) {
        let wanted = self.closure(&model.top);
        let stamp = self.out.join(format!("{}.stamp", model.name));
        let hash = hash_of(wanted.iter(), &format!("{} {:?}", model.top, model.parameters));
        if fs::read_to_string(&stamp).is_ok_and(|found| found == hash) {
            return;
        }
        let mut verilator = Command::new("verilator");
        verilator.args(["--lint-only", "-Wall", "--assert", "--top-module", &model.top]);
        let status = verilator.args(&model.parameters).arg(&self.waivers).args(&wanted).status();
        assert!(status.expect("verilator starts").success(), "verilator refuses {}", model.name);
        fs::write(stamp, hash).expect("the build folder is writable");
    }

    fn verilate(&self, model: &Model, sources: &[PathBuf]) -> PathBuf {
        let generated = self.out.join(format!("v_{}", model.name));
        if generated.exists() {
            fs::remove_dir_all(&generated).expect("the build folder is writable");
        }
        let mut verilator = Command::new("verilator");
        verilator.args(["--cc", "-Wall", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--assert"]);
        verilator.args(["--top-module", &model.top, "--prefix", &format!("V{}", model.name), "-Mdir"]).arg(&generated);
        verilator.args(&model.parameters).arg(&self.waivers).args(sources);
        let status = verilator.status().expect("verilator starts");
        assert!(status.success(), "verilator refuses {}", model.name);
        generated
    }

    /// The sources whose module or package name is reachable from `top`, packages first.
    fn closure(&self, top: &str) -> Vec<PathBuf> {
        let mut reached: Vec<usize> = Vec::new();
        let mut names = vec![top.to_owned()];
        while let Some(name) = names.pop() {
            let Some(at) = self.sources.iter().position(|path| stem(path) == name) else { continue };
            if reached.contains(&at) {
                continue;
            }
            reached.push(at);
            let text = fs::read_to_string(&self.sources[at]).expect("a readable source");
            let code = text.lines().map(|line| line.split("//").next().unwrap_or(""));
            let words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).map(str::to_owned);
            let mut words: Vec<_> = words.collect();
            words.sort();
            words.dedup();
            names.extend(words);
        }
        let mut paths: Vec<_> = reached.into_iter().map(|at| self.sources[at].clone()).collect();
        paths.sort_by_key(|path| (self.package_depth(path), path.clone()));
        paths
    }

    /// 0 for a package that uses none, 1 for one that uses those, and so on; modules come last.
    fn package_depth(&self, path: &Path) -> usize {
        if !stem(path).ends_with("_pkg") {
            return usize::MAX;
        }
        let text = fs::read_to_string(path).expect("a readable source");
        let used =
            self.sources.iter().filter(|source| *source != path && text.contains(&format!("{}::", stem(source))));
        used.map(|source| self.package_depth(source) + 1).max().unwrap_or(0)
    }

    /// Writes the class that opens the ports of one model by name.
    fn shim(&self, model: &Model, generated: &Path) -> PathBuf {
        let header = fs::read_to_string(generated.join(format!("V{}.h", model.name))).expect("verilator wrote it");
        let path = generated.join("shim.cc");
        fs::write(&path, ports::shim(&model.name, &header)).expect("the build folder is writable");
        path
    }

    /// Compiles Verilator's run time and the list of models.
    fn registry(&self, models: &[Model]) {
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        let path = self.out.join("registry.cc");
        fs::write(&path, ports::registry(&names)).expect("the build folder is writable");
        self.compiler().file(&path).compile("registry");
        let stamp = self.out.join("runtime.stamp");
        if !stamp.exists() {
            let mut compiler = self.compiler();
            for file in ["verilated.cpp", "verilated_threads.cpp"] {
                compiler.file(format!("{}/include/{file}", self.verilator_root));
            }
            compiler.compile("runtime");
            fs::write(stamp, "").expect("the build folder is writable");
        }
    }
}
