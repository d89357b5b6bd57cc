//! Pictures that the programs draw or generate themselves: the embedded default data set, and the forgeries by which a
//! detector is judged.

pub mod specimen;
pub mod zoo;
