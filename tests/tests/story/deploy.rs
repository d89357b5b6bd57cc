//! Installation of a bundle on a box: by ssh on a running box, and on the SD card of a new one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use counterfoil_tests::{Ran, built, counterfoil, edge, root, skip, until};

/// A real sshd on a free port. The current user can log in with a key that was made for the test.
struct Sshd {
    folder: tempfile::TempDir,
    daemon: Child,
    port: u16,
}

impl Sshd {
    /// Starts sshd. Without sshd on this machine the test is skipped and `None` is returned.
    fn start() -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() || !Path::new("/usr/bin/ssh-keygen").exists() {
            skip("there is no sshd; scripts/setup installs it");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(key))
                .status()
                .unwrap();
            assert!(made.success());
        }
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPermitRootLogin yes\nPidFile none\n\
             Subsystem sftp internal-sftp\n",
            path("host").display(),
            path("authorized").display()
        );
        fs::write(path("config"), config).unwrap();
        let daemon =
            Command::new(program).arg("-D").arg("-f").arg(path("config")).stderr(Stdio::null()).spawn().unwrap();
        let sshd = Self { folder, daemon, port };
        until(Duration::from_secs(20), "sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(sshd)
    }

    /// Runs `counterfoil deploy` for a box whose program, state and configuration are in a folder of this machine.
    fn deploy(&self, program: &Path, state: &Path, bundle: &Path, more: &[&str]) -> Ran {
        let options = [
            format!("Port={}", self.port),
            format!("IdentityFile={}", self.folder.path().join("user").display()),
            format!("UserKnownHostsFile={}", self.folder.path().join("known").display()),
            "StrictHostKeyChecking=no".to_owned(),
        ];
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let mut arguments = vec!["deploy".to_owned(), format!("{}@127.0.0.1", user.trim())];
        for (flag, value) in [("--bundle", bundle), ("--program", program), ("--state", state)] {
            arguments.extend([flag.to_owned(), value.display().to_string()]);
        }
        arguments.extend(options.into_iter().flat_map(|option| ["--ssh-option".to_owned(), option]));
        arguments.extend(["--sudo".to_owned(), String::new()]);
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        counterfoil(arguments)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn pretrained() -> PathBuf {
    root().join("models/pretrained/specimen-note-statistics").canonicalize().unwrap()
}

/// A script that runs the shell commands in `before` and then the box's program.
fn program(dir: &Path, before: &str) -> PathBuf {
    let path = dir.join("edge");
    fs::write(&path, format!("#!/bin/sh\n{before}\nexec {} \"$@\"\n", built("counterfoil-edge").display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_bundle_is_deployed_by_ssh_and_taken_back_where_the_box_does_not_get_well() {
    let Some(sshd) = Sshd::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("it's the state");
    let models = || edge(["model", "list", "--json", "--state", &state.display().to_string()]).ok().lines();
    let well = program(dir.path(), "");
    sshd.deploy(&well, &state, &pretrained(), &[]).ok().says("judges by");
    assert!(models().len() == 1 && models()[0]["current"] == true);
    // A second deployment works, so no copied file of the first one is in the way.
    sshd.deploy(&well, &state, &pretrained(), &[]).ok();

    // The box refuses a bundle that was damaged in transfer, and its models stay as they were.
    let lossy = program(
        dir.path(),
        "case \"$*\" in *install*) for last; do :; done; echo x >> \"$last/discriminator.onnx\";; esac",
    );
    sshd.deploy(&lossy, &state, &pretrained(), &[])
        .code(2)
        .says("does not take the bundle")
        .says("discriminator.onnx is not the file");
    assert!(models().len() == 1 && models()[0]["current"] == true);

    // The box rolls this model back without a command from the user.
    let other = dir.path().join("other");
    assert!(Command::new("cp").arg("-r").arg(pretrained()).arg(&other).status().unwrap().success());
    let manifest = fs::read_to_string(other.join("manifest.json")).unwrap();
    fs::write(other.join("manifest.json"), manifest + "\n").unwrap();
    let sick = program(
        dir.path(),
        &format!(
            "case \"$*\" in *list*) {} model rollback --state \"{}\" >/dev/null;; esac",
            built("counterfoil-edge").display(),
            state.display()
        ),
    );
    sshd.deploy(&sick, &state, &other, &[]).code(2).says("did not get well");
    assert!(models().iter().any(|slot| slot["current"] == true));

    let config = dir.path().join("edge.toml");
    fs::write(&config, "sorce = \"rpicam\"\n").unwrap();
    sshd.deploy(&well, &state, &pretrained(), &["--config", &config.display().to_string()])
        .code(2)
        .says("did you mean `source`?");
}

/// A folder with the files of a new card's boot partition that matter for these tests.
fn card(dir: &Path) -> PathBuf {
    let boot = dir.join("bootfs");
    fs::create_dir(&boot).unwrap();
    for (name, text) in [
        ("config.txt", "dtparam=audio=on\n"),
        ("cmdline.txt", "console=tty1 root=PARTUUID=1\n"),
        ("user-data", "#cloud-config\n\n# hostname: raspberrypi\n"),
        ("meta-data", "instance-id: rpios-image\n"),
    ] {
        fs::write(boot.join(name), text).unwrap();
    }
    boot
}

#[test]
fn a_card_is_given_all_that_its_first_start_needs() {
    let dir = tempfile::tempdir().unwrap();
    let boot = card(dir.path());
    let package = dir.path().join("counterfoil-edge.deb");
    fs::write(&package, "!<arch>\ndebian-binary and more\n").unwrap();
    let [on, deb, bundle] = [&boot, &package, &pretrained()].map(|path| path.display().to_string());
    let flash = |more: &[&str]| counterfoil([&["flash", &on, "--package", &deb, "--bundle", &bundle], more].concat());

    let shown = flash(&["--dry-run"]).ok().stdout();
    assert!(
        shown.contains("user-data") && shown.contains("dpkg --force-confold -i") && !boot.join("counterfoil").exists(),
        "{shown}"
    );
    flash(&[]).ok().says("the card is ready");
    let user_data = fs::read_to_string(boot.join("user-data")).unwrap();
    assert!(user_data.starts_with("#cloud-config\n") && user_data.contains("install.sh"), "{user_data}");
    assert_eq!(fs::read_to_string(boot.join("meta-data")).unwrap(), "instance-id: rpios-image\n");
    // The bundle on the card is complete.
    edge(["selftest", "--bundle", &boot.join("counterfoil/bundle").display().to_string()]).ok();
    let checked = Command::new("sh").arg("-n").arg(boot.join("counterfoil/install.sh")).status().unwrap();
    assert!(checked.success());

    // A second flash replaces the files of the first one and no others.
    fs::write(boot.join("counterfoil/bundle/left.txt"), "of the first").unwrap();
    flash(&[]).ok().says("was flashed before").says("the card is ready");
    assert!(!boot.join("counterfoil/bundle/left.txt").exists());
    assert_eq!(fs::read_to_string(boot.join("user-data")).unwrap(), user_data);

    // The settings of Raspberry Pi Imager stay. For a file that cannot be extended, the message says what to do.
    let imager = "#cloud-config\nhostname: till\nruncmd:\n- [ rfkill, unblock, wifi ]\n";
    fs::write(boot.join("user-data"), imager).unwrap();
    flash(&[]).ok();
    let merged = fs::read_to_string(boot.join("user-data")).unwrap();
    assert_eq!(merged, format!("{imager}- [sh, /boot/firmware/counterfoil/install.sh]\n"));
    let script = "#!/bin/sh\necho mine\n";
    fs::write(boot.join("user-data"), script).unwrap();
    flash(&[])
        .code(2)
        .says("does not begin with #cloud-config")
        .says("1. open the file")
        .says("`sh /boot/firmware/counterfoil/install.sh`");
    assert_eq!(fs::read_to_string(boot.join("user-data")).unwrap(), script);

    // Bookworm and older systems do not read these files. That is still detected when files of an earlier flash are
    // there. A 32-bit system cannot run the program.
    fs::remove_file(boot.join("user-data")).unwrap();
    fs::remove_file(boot.join("meta-data")).unwrap();
    fs::write(boot.join("issue.txt"), "Raspberry Pi reference 2024-11-19\n").unwrap();
    flash(&[]).code(2).says("without cloud-init").says("2024-11-19").says("Trixie");
    fs::write(boot.join("user-data"), user_data.replace("\n# hostname: raspberrypi\n", "")).unwrap();
    fs::write(boot.join("meta-data"), "instance-id: counterfoil\n").unwrap();
    flash(&[]).code(2).says("without cloud-init");
    fs::write(boot.join("meta-data"), "instance-id: rpios-image\n").unwrap();
    fs::write(boot.join("kernel7.img"), "32").unwrap();
    flash(&[]).code(2).says("32-bit");
    fs::remove_file(boot.join("kernel7.img")).unwrap();
    // The rest of an interrupted flash is replaced; a folder of the same name with other files is not.
    fs::remove_file(boot.join("counterfoil/install.sh")).unwrap();
    flash(&[]).ok();
    fs::remove_dir_all(boot.join("counterfoil")).unwrap();
    fs::create_dir(boot.join("counterfoil")).unwrap();
    fs::write(boot.join("counterfoil/me.jpg"), "mine").unwrap();
    flash(&[]).code(2).says("is not empty").says("me.jpg");
    let elsewhere = dir.path().display().to_string();
    counterfoil(["flash", &elsewhere, "--package", &deb, "--bundle", &bundle]).code(2).says("no boot partition");
}

#[test]
fn what_is_flashed_fits_a_fat_partition() {
    let mtools = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).env("MTOOLS_SKIP_CHECK", "1").output()
    };
    if Command::new("mcopy").arg("-V").output().is_err() || !Path::new("/usr/sbin/mkfs.fat").exists() {
        return skip("there are no mtools and dosfstools; scripts/setup installs them");
    }
    let dir = tempfile::tempdir().unwrap();
    let boot = card(dir.path());
    let package = dir.path().join("counterfoil-edge.deb");
    let mut file = fs::File::create(&package).unwrap();
    file.write_all(b"!<arch>\n").and_then(|()| file.write_all(&vec![7; 8 << 20])).unwrap();
    let [on, deb, bundle] = [&boot, &package, &pretrained()].map(|path| path.display().to_string());
    counterfoil(["flash", &on, "--package", &deb, "--bundle", &bundle]).ok();

    let image = dir.path().join("fat.img").display().to_string();
    let made = Command::new("/usr/sbin/mkfs.fat").args(["-C", "-F", "32", &image, "65536"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let copied = mtools(
        "mcopy",
        &[
            "-s",
            "-i",
            &image,
            &boot.join("counterfoil").display().to_string(),
            &boot.join("user-data").display().to_string(),
            "::",
        ],
    );
    assert!(copied.as_ref().unwrap().status.success(), "{copied:?}");
    let checked = Command::new("/usr/sbin/fsck.fat").args(["-n", &image]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    // The bundle is complete when it is read back from the partition.
    let back = dir.path().join("back").display().to_string();
    fs::create_dir(&back).unwrap();
    let copied = mtools("mcopy", &["-s", "-i", &image, "::counterfoil", &back]);
    assert!(copied.as_ref().unwrap().status.success(), "{copied:?}");
    edge(["selftest", "--bundle", &format!("{back}/counterfoil/bundle")]).ok();
}
