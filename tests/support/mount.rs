//! File systems that are mounted for a test, and files that are mapped for writing. Only root may mount.

use super::workspace::{Workspace, output_of};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mount that ends with the test.
pub struct Mount(PathBuf);

impl Mount {
    /// `mount` with these arguments, at a directory or file that exists.
    pub fn new(at: &Path, arguments: &[&OsStr]) -> Self {
        let mut mount = Command::new("mount");
        output_of(&mount.args(arguments).arg(at).output().unwrap(), 0);
        Self(at.to_owned())
    }

    /// An overlay at this directory, over its present content.
    pub fn overlay(world: &Workspace, dir: &str) -> Self {
        for dir in ["upper", "work"] {
            std::fs::create_dir_all(world.at(dir)).unwrap();
        }
        let at = |name: &str| world.at(name).display().to_string();
        let options = format!("lowerdir={},upperdir={},workdir={}", at(dir), at("upper"), at("work"));
        let arguments = ["-t", "overlay", "none", "-o", &options].map(OsStr::new);
        Self::new(&world.at(dir), &arguments)
    }

    /// In memory, of this size.
    pub fn tmpfs(world: &Workspace, dir: &str, size: &str) -> Self {
        let at = made(world, dir);
        let size = format!("size={size}");
        Self::new(&at, &["-t", "tmpfs", "none", "-o", &size].map(OsStr::new))
    }

    /// A new file system of this kind, in a file of the workspace.
    pub fn image(world: &Workspace, dir: &str, kind: &str) -> Self {
        let image = world.at(&format!("{dir}.{kind}"));
        std::fs::File::create(&image).unwrap().set_len(400 << 20).unwrap();
        let mut make = Command::new(format!("mkfs.{kind}"));
        output_of(&make.arg("-q").arg(&image).output().unwrap(), 0);
        Self::new(
            &made(world, dir),
            &[OsStr::new("-o"), OsStr::new("loop"), image.as_os_str()],
        )
    }

    /// A directory of the workspace through FUSE, without `RENAME_NOREPLACE`.
    pub fn bindfs(world: &Workspace, dir: &str) -> Self {
        let (behind, at) = (made(world, &format!("{dir}-behind")), made(world, dir));
        let mut bindfs = Command::new("bindfs");
        output_of(&bindfs.arg(behind).arg(&at).output().unwrap(), 0);
        Self(at)
    }

    /// The same through sshfs, whose server is started without a network.
    pub fn sshfs(world: &Workspace, dir: &str) -> Self {
        let (behind, at) = (made(world, &format!("{dir}-behind")), made(world, dir));
        let server = world.at("sftp");
        std::fs::write(&server, "#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n").unwrap();
        std::fs::set_permissions(&server, PermissionsExt::from_mode(0o755)).unwrap();
        let mut sshfs = Command::new("sshfs");
        sshfs.arg(format!("host:{}", behind.display())).arg(&at);
        sshfs.arg("-o").arg(format!("ssh_command={}", server.display()));
        output_of(&sshfs.output().unwrap(), 0);
        Self(at)
    }

    /// The directory as it is, but read-only.
    pub fn read_only(world: &Workspace, dir: &str) -> Self {
        let at = made(world, dir);
        let mount = Self::new(&at, &[OsStr::new("--bind"), at.as_os_str()]);
        let mut remount = Command::new("mount");
        output_of(&remount.args(["-o", "remount,bind,ro"]).arg(&at).output().unwrap(), 0);
        mount
    }
}

fn made(world: &Workspace, dir: &str) -> PathBuf {
    let at = world.at(dir);
    std::fs::create_dir_all(&at).unwrap();
    at
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// One page of a file, mapped for writing, without an open descriptor.
pub struct Mapping(*mut std::ffi::c_void);

#[expect(unsafe_code, reason = "a shared mapping is what this is about")]
impl Mapping {
    pub fn of(path: &Path) -> Self {
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let protection = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
        let shared = rustix::mm::MapFlags::SHARED;
        // SAFETY: a new mapping of one page of a file of that size, at an address that the kernel chooses.
        Self(unsafe { rustix::mm::mmap(std::ptr::null_mut(), 4096, protection, shared, &file, 0).unwrap() })
    }

    pub fn write(&self, byte: u8) {
        // SAFETY: within the mapping, which lives as long as `self`.
        unsafe { std::ptr::write_volatile(self.0.cast::<u8>(), byte) }
    }

    /// Writes a number at the beginning of the page.
    pub fn write_number(&self, number: u64) {
        // SAFETY: within the mapping, which lives as long as `self` and begins at a page.
        unsafe { std::ptr::write_volatile(self.0.cast::<u64>(), number) }
    }
}

#[expect(unsafe_code, reason = "a shared mapping is what this is about")]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping made above; nothing refers to it after this.
        let _ = unsafe { rustix::mm::munmap(self.0, 4096) };
    }
}
