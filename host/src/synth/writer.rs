//! The weight file as a stream: the header, then every tensor in batches of rows.
//!
//! The writer of the safetensors crate takes whole tensors, and an embedding alone may be larger than the
//! memory that is wanted here.

use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::ControlFlow;

use safetensors::tensor::{Metadata, TensorInfo};

use super::tensors::Tensors;
use crate::kernel::threads::{Threads, Work};

/// Bytes made at once: enough for every thread, little beside any memory.
const BATCH_BYTES: usize = 8 << 20;

/// Multiple of the header's length.
const HEADER_ALIGNMENT: usize = 8;

/// Header of the file: its length, then JSON.
pub(super) fn header(tensors: &Tensors) -> io::Result<Vec<u8>> {
    let mut end = 0;
    let infos = tensors.list.iter().map(|tensor| {
        let start = end;
        end += tensor.bytes() as usize;
        let info = TensorInfo {
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        (tensor.name.clone(), info)
    });
    // transformers refuses files whose metadata does not name a framework.
    let format = HashMap::from([("format".to_string(), "pt".to_string())]);
    let metadata = Metadata::new(Some(format), infos.collect()).map_err(io::Error::other)?;
    let mut json = serde_json::to_vec(&metadata)?;
    json.resize(json.len().next_multiple_of(HEADER_ALIGNMENT), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    Ok(header)
}

/// Writes the whole file; `on_bytes(bytes)` hears of every batch written and may break off.
///
/// The bytes do not depend on the threads.
pub(super) fn write(
    out: &mut impl Write,
    tensors: &Tensors,
    threads: &Threads,
    on_bytes: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    out.write_all(&header(tensors)?)?;
    let mut batch = Vec::new();
    for tensor in &tensors.list {
        let row_bytes = tensor.row_bytes();
        let batch_rows = (BATCH_BYTES / row_bytes).max(1);
        for first in (0..tensor.rows()).step_by(batch_rows) {
            let rows = batch_rows.min(tensor.rows() - first);
            batch.resize(rows * row_bytes, 0);
            let work = Work::random(batch.len());
            threads.for_each_part(work, &mut batch, row_bytes, |i, row| {
                tensors.fill(tensor, first + i, row);
            });
            out.write_all(&batch)?;
            if on_bytes(batch.len() as u64).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::{Shape, SynthOptions};

    /// Takes some bytes, then is full.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.checked_sub(bytes.len()) {
                Some(left) => {
                    self.0 = left;
                    Ok(bytes.len())
                }
                None => Err(io::ErrorKind::StorageFull.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tensors() -> Tensors {
        Tensors::new(&SynthOptions {
            shape: Shape::tiny(),
            ..SynthOptions::default()
        })
        .unwrap()
    }

    #[test]
    fn threads_change_nothing() {
        let with = |threads| {
            let (mut file, threads) = (Vec::new(), Threads::new(threads).unwrap());
            let go_on = &mut |_| ControlFlow::Continue(());
            let _ = write(&mut file, &tensors(), &threads, go_on).unwrap();
            file
        };
        let one = with(1);
        assert!(one == with(5));
        let (header, parsed) = safetensors::SafeTensors::read_metadata(&one).unwrap();
        assert_eq!(one.len(), 8 + header + parsed.data_len());
    }

    #[test]
    fn a_full_disk_and_a_break_end_it() {
        let threads = Threads::new(2).unwrap();
        let go_on = &mut |_| ControlFlow::Continue(());
        for bytes in [0, 100_000, 1_000_000] {
            let e = write(&mut Full(bytes), &tensors(), &threads, go_on).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::StorageFull);
        }
        let stop = &mut |_| ControlFlow::Break(());
        let end = write(&mut io::sink(), &tensors(), &threads, stop).unwrap();
        assert!(end.is_break());
    }
}
