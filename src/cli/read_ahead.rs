//! Reads ahead in a separate thread, which may wait for a slow source while everything else continues. It passes items on in parcels: when
//! a person types rows, the first leaves together with the last of its parcel.

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::mpsc;

/// The number of items in one parcel, and how many such parcels may wait.
const PARCEL: usize = 64;
const PARCELS: usize = 4;

/// The items of an iterator that may block. The thread ends with the items, or when the receiver is gone.
pub(super) fn read<T: Send + 'static>(items: impl Iterator<Item = T> + Send + 'static) -> impl Stream<Item = T> {
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
    stream::unfold(taken, |mut taken| async { Some((stream::iter(taken.recv().await?), taken)) }).flatten()
}
