//! A real Caddy for the tests: Debian's, or any other on the PATH.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{nginx::free_port, server::skip};

/// A running Caddy. It ends when this is dropped, and with the test's thread in any case.
pub struct Caddy {
    child: Child,
    /// Where its files are.
    _folder: TempDir,
    port: u16,
}

impl Caddy {
    /// The hash of a password, for a configuration. Nothing, and the test is skipped, where there
    /// is no Caddy.
    pub fn hash(password: &str) -> Option<String> {
        let mut command = Command::new("caddy");
        let Ok(output) = command.args(["hash-password", "--plaintext", password]).output() else {
            skip("there is no caddy here");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned())
    }

    /// Starts it with a configuration, which is written for a port.
    pub fn of_config(config: impl Fn(u16) -> String) -> Caddy {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        // The port that was free a moment ago may be taken by another test.
        for _ in 0..5 {
            let port = free_port();
            fs::write(folder.path().join("Caddyfile"), config(port)).expect("written");
            // setpriv becomes Caddy; what is left of a killed test must not stay behind.
            let mut child = Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "caddy", "run", "--config", "Caddyfile"])
                .current_dir(folder.path())
                .env("HOME", folder.path())
                .env_remove("XDG_CONFIG_HOME")
                .env_remove("XDG_DATA_HOME")
                .stdin(Stdio::null())
                .stderr(fs::File::create(&log).expect("a log"))
                .spawn()
                .expect("caddy starts");
            for _ in 0..3000 {
                if child.try_wait().expect("a status").is_some() {
                    break;
                }
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Caddy { child, _folder: folder, port };
                }
                thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("caddy does not start: {}", fs::read_to_string(log).unwrap_or_default());
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
