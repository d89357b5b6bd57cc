//! Weights that lie in a file beside the network, as PyTorch's present exporter writes them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use anyhow::{Context, Result, ensure};
use counterfoil_models::limits;

use crate::onnx::proto::{GraphProto, Tensor};

/// `data_location` of a tensor whose data is in another file.
const EXTERNAL: i32 = 1;

/// Takes the data of every tensor that lies in another file of `folder` into the graph.
///
/// # Errors
/// When a file is not there, is named outside of the folder, or is shorter than the tensor says.
pub(super) fn embed(graph: &mut GraphProto, folder: &Path) -> Result<()> {
    let of_nodes = graph.node.iter_mut().flat_map(|node| &mut node.attribute).filter_map(|held| held.t.as_mut());
    for tensor in graph.initializer.iter_mut().chain(of_nodes) {
        if tensor.data_location == Some(EXTERNAL) {
            take_in(tensor, folder).with_context(|| format!("the weights `{}` lie in another file", tensor.name()))?;
        }
    }
    Ok(())
}

fn take_in(tensor: &mut Tensor, folder: &Path) -> Result<()> {
    let held = |key: &str| {
        let entry = tensor.external_data.iter().find(|entry| entry.key() == key);
        entry.map(|entry| entry.value().to_owned())
    };
    let number =
        |key: &str| held(key).map(|text| text.parse::<u64>().with_context(|| format!("its {key} is {text:?}")));
    let location = held("location").context("which one is not said; export the network again")?;
    let is_inside =
        Path::new(&location).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    ensure!(is_inside, "{location:?}, which is not in the folder of the network");
    let path = folder.join(&location);
    let mut file = File::open(&path).with_context(|| format!("{}; put it beside the network", path.display()))?;
    let length = file.metadata()?.len();
    let offset = number("offset").transpose()?.unwrap_or(0);
    let count = number("length").transpose()?.unwrap_or(length.saturating_sub(offset));
    let ends = offset.checked_add(count).filter(|end| *end <= length);
    ensure!(ends.is_some(), "{} has {length} bytes, and it takes {count} from {offset} on", path.display());
    ensure!(count <= limits::NETWORK as u64, "{count} bytes, at most {} are accepted", limits::NETWORK);
    file.seek(SeekFrom::Start(offset))?;
    let mut data = Vec::new();
    file.take(count).read_to_end(&mut data)?;
    tensor.raw_data = Some(data);
    tensor.data_location = None;
    tensor.external_data.clear();
    Ok(())
}
