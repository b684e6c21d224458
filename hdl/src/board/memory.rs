//! A block RAM that the kernel reaches over AXI4 and the bridge beside it.
//!
//! Cycle contract: that of [`ReadSlave`] and [`WriteSlave`]; the bridge writes at once, and what it reads is on `beat` in
//! the cycle after `granted`.

use rust_hdl::prelude::*;

use super::lane_ram::LaneRam;
use super::read_slave::ReadSlave;
use super::write_slave::WriteSlave;

/// `2^A` beats of 16 bytes.
#[derive(LogicBlock, Default)]
pub struct Memory<const A: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets bursts, keeps bytes.
    pub reset: Signal<In, Bit>,
    /// AR: byte address.
    pub araddr: Signal<In, Bits<64>>,
    /// AR: beats less one.
    pub arlen: Signal<In, Bits<8>>,
    /// AR: valid.
    pub arvalid: Signal<In, Bit>,
    /// AR: ready.
    pub arready: Signal<Out, Bit>,
    /// R: response.
    pub rresp: Signal<Out, Bits<2>>,
    /// R: last beat.
    pub rlast: Signal<Out, Bit>,
    /// R: valid.
    pub rvalid: Signal<Out, Bit>,
    /// R: ready.
    pub rready: Signal<In, Bit>,
    /// AW: byte address.
    pub awaddr: Signal<In, Bits<64>>,
    /// AW: valid.
    pub awvalid: Signal<In, Bit>,
    /// AW: ready.
    pub awready: Signal<Out, Bit>,
    /// W: data.
    pub wdata: Signal<In, Bits<128>>,
    /// W: strobes.
    pub wstrb: Signal<In, Bits<16>>,
    /// W: last beat.
    pub wlast: Signal<In, Bit>,
    /// W: valid.
    pub wvalid: Signal<In, Bit>,
    /// W: ready.
    pub wready: Signal<Out, Bit>,
    /// B: response.
    pub bresp: Signal<Out, Bits<2>>,
    /// B: valid.
    pub bvalid: Signal<Out, Bit>,
    /// B: ready.
    pub bready: Signal<In, Bit>,
    /// Bridge: byte address of a beat.
    pub address: Signal<In, Bits<32>>,
    /// Bridge: writes it.
    pub write: Signal<In, Bit>,
    /// Bridge: its new value.
    pub data: Signal<In, Bits<128>>,
    /// Bridge: asks for it.
    pub read: Signal<In, Bit>,
    /// Bridge: it comes in the next cycle.
    pub granted: Signal<Out, Bit>,
    /// What the RAM reads, for the bridge and R.
    pub beat: Signal<Out, Bits<128>>,
    ram: LaneRam<A>,
    reader: ReadSlave<A>,
    writer: WriteSlave<A>,
}

impl<const A: usize> Logic for Memory<A> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, ram, reader, writer);
        self.reader.reset.next = self.reset.val();
        self.reader.araddr.next = self.araddr.val();
        self.reader.arlen.next = self.arlen.val();
        self.reader.arvalid.next = self.arvalid.val();
        self.reader.rready.next = self.rready.val();
        self.reader.other_read.next = self.read.val();
        self.reader.other_address.next = self.address.val().get_bits::<A>(4);
        self.arready.next = self.reader.arready.val();
        self.rresp.next = self.reader.rresp.val();
        self.rlast.next = self.reader.rlast.val();
        self.rvalid.next = self.reader.rvalid.val();
        self.granted.next = self.reader.granted.val();
        self.writer.reset.next = self.reset.val();
        self.writer.awaddr.next = self.awaddr.val();
        self.writer.awvalid.next = self.awvalid.val();
        self.writer.wdata.next = self.wdata.val();
        self.writer.wstrb.next = self.wstrb.val();
        self.writer.wlast.next = self.wlast.val();
        self.writer.wvalid.next = self.wvalid.val();
        self.writer.bready.next = self.bready.val();
        self.writer.other_write.next = self.write.val();
        self.writer.other_address.next = self.address.val().get_bits::<A>(4);
        self.writer.other_data.next = self.data.val();
        self.awready.next = self.writer.awready.val();
        self.wready.next = self.writer.wready.val();
        self.bresp.next = self.writer.bresp.val();
        self.bvalid.next = self.writer.bvalid.val();
        self.ram.read_address.next = self.reader.ram_address.val();
        self.ram.hold.next = self.reader.ram_hold.val();
        self.ram.write_address.next = self.writer.ram_address.val();
        self.ram.write_data.next = self.writer.ram_data.val();
        self.ram.write_strobe.next = self.writer.ram_strobe.val();
        self.beat.next = self.ram.read_data.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{seeded, tick};
    use rand::rngs::StdRng;
    use rand::Rng;

    type Uut = Memory<4>;

    fn clock(uut: &mut Uut, level: bool) {
        uut.clock.next = level.into();
    }

    fn memory() -> Uut {
        let mut uut = Uut::default();
        uut.connect_all();
        uut.bready.next = true;
        tick(&mut uut, clock);
        uut
    }

    /// The bridge writes beat `at`.
    fn poke(uut: &mut Uut, at: u64, value: u64) {
        uut.address.next = (16 * at).into();
        uut.data.next = value.into();
        uut.write.next = true;
        tick(uut, clock);
        uut.write.next = false;
    }

    /// Reads a burst with random stalls while the bridge reads beat `other` now and then, and gets it; values with their
    /// response.
    fn burst(
        uut: &mut Uut,
        rng: &mut StdRng,
        address: u64,
        beats: u64,
        other: u64,
    ) -> Vec<(u64, u64)> {
        uut.araddr.next = address.into();
        uut.arlen.next = (beats - 1).into();
        uut.arvalid.next = true;
        assert!(uut.arready.val());
        tick(uut, clock);
        uut.arvalid.next = false;
        let mut got = Vec::new();
        let mut stalled = None;
        let mut asked = false;
        for _ in 0..1000 {
            uut.rready.next = rng.random_bool(0.6);
            let asks_now = rng.random_bool(0.3);
            uut.read.next = asks_now;
            uut.address.next = (16 * other).into();
            simulate(uut, 10);
            if asked {
                assert_eq!(
                    uut.beat.val().get_bits::<64>(0),
                    100 + other,
                    "for the bridge"
                );
            }
            let shown = uut
                .rvalid
                .val()
                .then(|| uut.beat.val().get_bits::<64>(0).to_u64());
            assert!(stalled.is_none() || stalled == shown, "held while stalled");
            stalled = shown.filter(|_| !uut.rready.val());
            if let Some(value) = shown.filter(|_| uut.rready.val()) {
                got.push((value, uut.rresp.val().to_u64()));
                assert_eq!(uut.rlast.val(), got.len() as u64 == beats);
            }
            asked = uut.granted.val();
            let held_up = uut.rvalid.val() && !uut.rready.val();
            assert_eq!(asked, asks_now && !held_up, "at once but for a held beat");
            tick(uut, clock);
            if got.len() as u64 == beats {
                break;
            }
        }
        uut.read.next = false;
        uut.rready.next = false;
        tick(uut, clock);
        got
    }

    #[test]
    fn bursts_are_whole_whatever_the_bridge_reads() {
        let mut uut = memory();
        for at in 0..16 {
            poke(&mut uut, at, 100 + at);
        }
        let mut rng = seeded(1);
        for (first, beats) in [(0, 1), (3, 5), (0, 16), (15, 1)] {
            let got = burst(&mut uut, &mut rng, 16 * first, beats, 7);
            let want: Vec<_> = (first..first + beats).map(|at| (100 + at, 0)).collect();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn there_is_nothing_behind_the_memory() {
        let mut uut = memory();
        poke(&mut uut, 0, 100);
        poke(&mut uut, 7, 107);
        let mut rng = seeded(2);
        for address in [256, 1 << 40] {
            let got = burst(&mut uut, &mut rng, address, 2, 7);
            assert!(got.iter().all(|(_, response)| *response == 3), "{got:?}");
        }
        write(&mut uut, &mut rng, 256, &[9], 0xffff);
        assert_eq!(uut.bresp.val(), 3);
        assert_eq!(burst(&mut uut, &mut rng, 0, 1, 7), [(100, 0)]);
    }

    #[test]
    fn a_beat_that_is_held_up_stays_whatever_is_written() {
        let mut uut = memory();
        poke(&mut uut, 3, 103);
        uut.araddr.next = 48.into();
        uut.arvalid.next = true;
        tick(&mut uut, clock);
        uut.arvalid.next = false;
        while !uut.rvalid.val() {
            tick(&mut uut, clock);
        }
        poke(&mut uut, 3, 999);
        uut.read.next = true;
        tick(&mut uut, clock);
        assert!(uut.rvalid.val() && !uut.granted.val());
        assert_eq!(uut.beat.val().get_bits::<64>(0), 103);
        uut.read.next = false;
        uut.rready.next = true;
        tick(&mut uut, clock);
        poke(&mut uut, 5, 105);
        assert_eq!(burst(&mut uut, &mut seeded(5), 48, 1, 5), [(999, 0)]);
    }

    #[test]
    fn a_reset_ends_bursts_in_the_middle_and_keeps_the_bytes() {
        let mut uut = memory();
        for at in 0..16 {
            poke(&mut uut, at, 100 + at);
        }
        uut.araddr.next = 0.into();
        uut.arlen.next = 15.into();
        uut.arvalid.next = true;
        uut.awaddr.next = 0.into();
        uut.awvalid.next = true;
        uut.rready.next = true;
        for _ in 0..4 {
            tick(&mut uut, clock);
        }
        uut.arvalid.next = false;
        uut.awvalid.next = false;
        uut.reset.next = true;
        tick(&mut uut, clock);
        uut.reset.next = false;
        uut.rready.next = false;
        tick(&mut uut, clock);
        assert!(!uut.rvalid.val() && uut.arready.val() && uut.awready.val());
        let mut rng = seeded(6);
        write(&mut uut, &mut rng, 32, &[0x1111], 0xffff);
        let got = burst(&mut uut, &mut rng, 16, 3, 7);
        assert_eq!(got, [(101, 0), (0x1111, 0), (103, 0)]);
    }

    /// Writes a burst with random gaps, while the bridge writes beat 15 now and then; what it wrote last.
    fn write(
        uut: &mut Uut,
        rng: &mut StdRng,
        address: u64,
        values: &[u64],
        strobe: u64,
    ) -> Option<u64> {
        let mut written = None;
        uut.bready.next = true;
        tick(uut, clock);
        uut.bready.next = false;
        uut.awaddr.next = address.into();
        uut.awvalid.next = true;
        tick(uut, clock);
        uut.awvalid.next = false;
        let mut left = values.iter();
        while let Some(value) = left.as_slice().first() {
            uut.wdata.next = (*value).into();
            uut.wstrb.next = strobe.into();
            uut.wlast.next = left.as_slice().len() == 1;
            uut.wvalid.next = rng.random_bool(0.7);
            uut.write.next = false;
            uut.address.next = 240.into();
            if written.is_none() || rng.random_bool(0.3) {
                let value: u64 = rng.random();
                uut.write.next = true;
                uut.data.next = value.into();
                written = Some(value);
            }
            simulate(uut, 10);
            if uut.wvalid.val() & uut.wready.val() {
                left.next();
            }
            tick(uut, clock);
        }
        uut.wvalid.next = false;
        uut.write.next = false;
        assert!(uut.bvalid.val());
        written
    }

    #[test]
    fn written_bytes_are_those_with_a_strobe() {
        let mut uut = memory();
        for at in 0..16 {
            poke(&mut uut, at, 100 + at);
        }
        let mut rng = seeded(3);
        let values = [0x1111, 0x2222, 0x3333];
        let mut of_bridge = write(&mut uut, &mut rng, 32, &values, 0xffff);
        of_bridge = write(&mut uut, &mut rng, 80, &[0xaaaa], 0b10).or(of_bridge);
        assert_eq!(uut.bresp.val(), 0);
        let got = burst(&mut uut, &mut rng, 0, 16, 7);
        let mut want: Vec<u64> = (100..116).collect();
        want[2..5].copy_from_slice(&[0x1111, 0x2222, 0x3333]);
        want[5] = 0xaa00 | 105;
        want[15] = of_bridge.expect("the bridge wrote meanwhile");
        assert_eq!(got.into_iter().map(|g| g.0).collect::<Vec<_>>(), want);
    }
}
