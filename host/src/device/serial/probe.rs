//! What a board and its line are like, for `tercet doctor`.

use std::time::{Duration, Instant};

use tercet_contract::registers as map;
use tercet_contract::serial::message::{BEAT_BYTES, DATA_SPACE};
use tercet_contract::serial::Identity;
use tercet_contract::Command;

use super::{SerialDevice, SerialError};

impl SerialDevice {
    /// What the board says of itself.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Clock of the kernel in Hz as its UPTIME register has it over `time`: at least and at most, since each reading
    /// happened at some moment of its request.
    pub fn clock_hz(&mut self, time: Duration) -> Result<[f64; 2], SerialError> {
        let mut read = || {
            let before = Instant::now();
            // The low word: at 25 MHz it comes round after minutes.
            let cycles = self.link.read_registers(map::UPTIME, 1)?[0];
            Ok::<_, SerialError>((before, cycles, Instant::now()))
        };
        let first = read()?;
        std::thread::sleep(time);
        let second = read()?;
        let cycles = f64::from(second.1.wrapping_sub(first.1));
        let [longest, shortest] = [second.2 - first.0, second.0 - first.2];
        Ok([longest, shortest].map(|time| cycles / time.as_secs_f64()))
    }

    /// Seconds of writing and reading `bytes` of the data memory, whole beats of it, and of a launch with next to no
    /// work; the weights memory must hold a beat.
    pub fn probe(&mut self, bytes: usize, repetitions: u32) -> Result<[Vec<f64>; 3], SerialError> {
        let room = self.identity.data as usize;
        let bytes = bytes.min(room).next_multiple_of(BEAT_BYTES);
        let content = vec![0; bytes];
        self.sent = None;
        let command = Command::gemv(&self.geometry, 1, 1, 0, 0, 64).expect("a product of 1 x 1");
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..repetitions {
            let begun = Instant::now();
            self.link.write_memory(DATA_SPACE, &content)?;
            times[0].push(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            self.link.read_memory(DATA_SPACE, bytes)?;
            times[1].push(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            self.start(&command)?;
            times[2].push(begun.elapsed().as_secs_f64());
        }
        Ok(times)
    }
}
