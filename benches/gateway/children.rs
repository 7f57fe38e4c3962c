//! The programs that are running.

use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

/// All of them, so that every way out can end them.
#[derive(Default)]
pub(crate) struct Children {
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    children: Vec<Child>,
    closed: bool,
}

impl Children {
    /// Starts a program; `look` gets it before it is put with the others. Its process id.
    pub(crate) fn start(&self, command: &mut Command, look: impl FnOnce(&mut Child)) -> Result<u32, String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.closed {
            return Err("stopped".to_owned());
        }
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|why| format!("{name} could not be started: {why}"))?;
        look(&mut child);
        let id = child.id();
        running.children.push(child);
        Ok(id)
    }

    /// Ends all of them; none can be started any more.
    pub(crate) fn kill(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.closed = true;
        for mut child in running.children.drain(..) {
            // Fails when it has ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Also when the program unwinds.
impl Drop for Children {
    fn drop(&mut self) {
        self.kill();
    }
}
