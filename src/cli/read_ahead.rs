//! Reads ahead in a separate thread, which may wait for a slow source while the rest of the program continues. The thread passes items on
//! in parcels. So if a person types rows, the first row arrives only when its parcel is full.
//!
//! A file is fast enough to be read in place: rows that one thread makes and another one frees cost half as much again.

use std::path::Path;

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::mpsc;

/// The number of items in one parcel, and the number of parcels that may wait.
const PARCEL: usize = 64;
const PARCELS: usize = 4;

/// The items of an iterator over `source`, which may block. The thread ends after the last item, or when the receiver is gone.
pub(super) fn read<T, I>(source: &Path, items: I) -> impl Stream<Item = T> + use<T, I>
where
    T: Send + 'static,
    I: Iterator<Item = T> + Send + 'static,
{
    if source.is_file() {
        return stream::iter(items).left_stream();
    }
    let (parcels, taken) = mpsc::channel(PARCELS);
    std::thread::spawn(move || {
        let mut items = items;
        loop {
            let parcel: Vec<T> = items.by_ref().take(PARCEL).collect();
            if parcel.is_empty() || parcels.blocking_send(parcel).is_err() {
                return;
            }
        }
    });
    stream::unfold(taken, |mut taken| async { Some((stream::iter(taken.recv().await?), taken)) }).flatten().right_stream()
}
