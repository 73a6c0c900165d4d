//! Runs the commands that the documentation prints.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::program::{Finished, Home};

/// The shell blocks of each section that has some; `heading` is the prefix of headings.
pub fn sections(document: &'static str, heading: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let blocks =
        |text: &'static str| text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let sections = document.split(heading).skip(1).filter_map(|section| section.split_once('\n'));
    let all = sections.map(|(title, text)| (title, blocks(text)));
    all.filter(|(_, blocks): &(_, Vec<_>)| !blocks.is_empty()).collect()
}

/// Creates a program of this name in the home's folder `bin`.
pub fn tool(home: &Home, name: &str, script: &str) {
    let bin = home.path("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o700)).unwrap();
}

/// The path of the tested program.
pub fn program(home: &Home) -> String {
    home.command(&[]).get_program().to_str().unwrap().to_owned()
}

/// Runs a script that stops at the first failure, with the home's settings and the programs of its `bin`.
pub fn run(home: &Home, script: &str) -> Finished {
    let mut path = vec![home.path("bin")];
    path.extend(std::env::var_os("SOTTO_POSTGRES_BIN").map(Into::into));
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut shell = Command::new("sh");
    shell.args(["-euc", script]).current_dir(home.folder.path());
    for (name, value) in home.command(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Finished::from_output(shell.env("PATH", std::env::join_paths(path).unwrap()).output().unwrap())
}

/// Every file below a folder with its contents.
pub fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = vec![];
    for item in fs::read_dir(folder).into_iter().flatten() {
        let path = item.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    all.sort();
    all
}
