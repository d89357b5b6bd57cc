//! A JPEG file's bytes enter; a plain JPEG stream of the same pixels leaves, checked to be complete to its last row.
//!
//! A file of its own because no JPEG decoder in Rust is strict: each one fills in what is lost. All segments are read
//! as libjpeg-turbo reads them (ITU-T T.81, annex B), and what libjpeg-turbo would warn of counts as damage. The
//! output contains nothing that decoders interpret differently: it has no metadata, it has the Huffman tables that
//! Motion JPEG omits, and it states the colours in one way.

use image::metadata::Orientation;

use super::exif;
use super::scan::{Coding, Damage, History, Scan, ScanComponent, Table};
use crate::{Error, Result};

/// Largest number of scans of a picture. Encoders make about ten, and each scan costs a pass over all blocks.
const MAX_SCANS: usize = 100;

/// The standard Huffman tables of T.81, annex K.3, as one DHT segment. Motion JPEG omits them.
#[rustfmt::skip]
const STANDARD_TABLES: [u8; 420] = [
    0xFF, 0xC4, 0x01, 0xA2,
    0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    0x01, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    0x10, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D,
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
    0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
    0x11, 0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77,
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
    0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
    0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
    0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

/// A JPEG file, read up to its first scan.
pub(super) struct Jpeg<'a> {
    bytes: &'a [u8],
    at: usize,
    sof: u8,
    pub(super) size: (u32, u32),
    components: Vec<Component>,
    /// The first value of each quantisation table.
    quantisers: [Option<i32>; 4],
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    interval: usize,
    jfif: bool,
    /// The colour transform stated in Adobe's marker segment.
    adobe: Option<u8>,
    exif: Vec<u8>,
    xmp: Vec<u8>,
    /// The output stream so far.
    plain: Vec<u8>,
}

struct Component {
    id: u8,
    sampling: (usize, usize),
    table: u8,
    /// For each coefficient, the position of its lowest bit so far; `None` before its first scan.
    known: [Option<u8>; 64],
}

impl<'a> Jpeg<'a> {
    /// Reads the segments before the first scan.
    ///
    /// # Errors
    /// [`Error::Picture`] when the file is damaged, or when it is a kind of JPEG that is not supported,
    /// which the error names.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let mut jpeg = Self {
            bytes,
            at: 2,
            sof: 0,
            size: (0, 0),
            components: Vec::new(),
            quantisers: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            interval: 0,
            jfif: false,
            adobe: None,
            exif: Vec::new(),
            xmp: Vec::new(),
            plain: vec![0xFF, 0xD8],
        };
        if !jpeg.segments()? {
            return Err(damaged("it ends before its pixels begin"));
        }
        if jpeg.components.is_empty() {
            return Err(damaged("its pixels come before their description"));
        }
        jpeg.plain.extend(jpeg.colour_header());
        if !jpeg.is_progressive() {
            jpeg.standard_tables()?;
        }
        Ok(jpeg)
    }

    /// The picture's orientation.
    pub(super) fn orientation(&self) -> Orientation {
        exif::orientation(&self.exif, &self.xmp)
    }

    /// Bytes that a decoder needs besides the pixels it returns: two copies of the file, and all coefficients of a
    /// progressive picture.
    pub(super) fn scratch(&self) -> u64 {
        let blocks: usize = (0..self.components.len()).map(|one| self.stored(one).0 * self.stored(one).1).sum();
        // For each block, 64 coefficients of two bytes and 64 bits of history.
        let held = if self.is_progressive() { blocks * (128 + 8) } else { 0 };
        (2 * self.bytes.len() + held) as u64
    }

    /// Whether the picture has no colour: a single component.
    pub(super) fn is_grey(&self) -> bool {
        self.components.len() == 1
    }

    /// Reads all scans up to the end marker, and returns the stream to decode.
    ///
    /// # Errors
    /// [`Error::Picture`] when the file is damaged or has more than [`MAX_SCANS`] scans.
    pub(super) fn proved(mut self) -> Result<Vec<u8>> {
        self.plain.reserve(self.bytes.len() - self.at);
        let mut histories: Vec<History> = Vec::new();
        if self.is_progressive() {
            histories.extend((0..self.components.len()).map(|one| vec![0; self.stored(one).0 * self.stored(one).1]));
        }
        for _ in 0..MAX_SCANS {
            self.scan(&mut histories)?;
            if !self.segments()? {
                if self.components.iter().any(|component| component.known[0].is_none()) {
                    return Err(damaged("one of its colours is missing"));
                }
                self.plain.extend([0xFF, 0xD9]);
                return Ok(self.plain);
            }
        }
        Err(Error::Picture(format!("the JPEG has more than {MAX_SCANS} scans; save it again as a baseline JPEG")))
    }

    fn is_progressive(&self) -> bool {
        self.sof == 0xC2
    }

    /// Reads segments up to the next scan or the end marker. Returns true after the marker of a scan, and false after
    /// the end marker.
    fn segments(&mut self) -> Result<bool> {
        loop {
            let marker = self.marker()?;
            match marker {
                0xD9 => return Ok(false),
                0xDA => return Ok(true),
                // Markers without a segment; they have no meaning here.
                0x01 | 0xD0..=0xD7 => continue,
                0xD8 => return Err(damaged("a second picture begins inside it")),
                0xC0..=0xFE => {}
                _ => return Err(damaged("it holds an unknown segment")),
            }
            let segment = self.segment()?;
            match marker {
                0xC0..=0xC2 => self.frame(marker, segment)?,
                0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Err(unread(marker)),
                0xC4 => self.huffman_tables(segment).ok_or_else(|| damaged("a Huffman table is impossible"))?,
                0xDB => self.quantisers(segment).ok_or_else(|| damaged("a quantisation table is cut"))?,
                0xDD => match segment {
                    [high, low] => self.interval = usize::from(u16::from_be_bytes([*high, *low])),
                    _ => return Err(damaged("its restart interval is cut")),
                },
                0xE0 => self.jfif |= segment.starts_with(b"JFIF\0"),
                0xE1 => {
                    // An EXIF block that is too long for one segment continues in the next one; Pillow reads it this
                    // way.
                    if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                        self.exif.extend_from_slice(exif);
                    } else if let Some(xmp) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                        self.xmp = xmp.to_vec();
                    }
                }
                0xEE if segment.starts_with(b"Adobe") && segment.len() >= 12 => self.adobe = Some(segment[11]),
                0xC8 | 0xDE | 0xDF | 0xF0..=0xFD => return Err(damaged("it holds an unknown segment")),
                _ => {}
            }
            if matches!(marker, 0xC4 | 0xDB | 0xDD) {
                self.copy(marker, segment);
            }
        }
    }

    /// Reads the next marker. It must stand at the current position, after any number of 0xFF.
    fn marker(&mut self) -> Result<u8> {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
        let marker = *rest.get(fill).ok_or_else(|| damaged("it ends before its last row; it was cut short"))?;
        if fill == 0 || marker == 0 {
            return Err(damaged("it holds data that belong to no part of it"));
        }
        self.at += fill + 1;
        Ok(marker)
    }

    /// Reads the segment that begins at the current position, and returns its content.
    fn segment(&mut self) -> Result<&'a [u8]> {
        let segment = || {
            let rest = self.bytes.get(self.at..)?;
            let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
            rest.get(2..length)
        };
        let segment = segment().ok_or_else(|| damaged("one of its segments is cut"))?;
        self.at += 2 + segment.len();
        Ok(segment)
    }

    fn copy(&mut self, marker: u8, segment: &[u8]) {
        self.plain.extend([0xFF, marker]);
        self.plain.extend((segment.len() as u16 + 2).to_be_bytes());
        self.plain.extend(segment);
    }

    /// Reads a frame header (B.2.2).
    fn frame(&mut self, marker: u8, segment: &[u8]) -> Result<()> {
        let [precision, h1, h0, w1, w0, count, rest @ ..] = segment else {
            return Err(damaged("its frame header is cut"));
        };
        if !self.components.is_empty() {
            return Err(damaged("it has two frame headers"));
        }
        if *precision != 8 {
            return Err(Error::Picture(format!(
                "the JPEG has {precision} bits a sample, which is not read here; save it with 8 bits, or as 16-bit PNG"
            )));
        }
        self.sof = marker;
        self.size = (u32::from(u16::from_be_bytes([*w1, *w0])), u32::from(u16::from_be_bytes([*h1, *h0])));
        if rest.len() != 3 * usize::from(*count) {
            return Err(damaged("its frame header is cut"));
        }
        if self.size.0 == 0 || self.size.1 == 0 {
            return Err(damaged("its size is not stated"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Error::Picture(format!(
                "the JPEG has {count} colour components, which is not read here; save it as grey or RGB"
            )));
        }
        for component in rest.chunks_exact(3) {
            let sampling = (usize::from(component[1] >> 4), usize::from(component[1] & 15));
            if !(1..=4).contains(&sampling.0) || !(1..=4).contains(&sampling.1) || component[2] > 3 {
                return Err(damaged("its frame header is impossible"));
            }
            self.components.push(Component { id: component[0], sampling, table: component[2], known: [None; 64] });
        }
        if let [only] = &mut self.components[..] {
            // In a scan of one component, a unit is one block, whatever the sampling factors (A.2.2).
            only.sampling = (1, 1);
        }
        let largest = self.largest();
        let divides = |(h, v): (usize, usize)| largest.0.is_multiple_of(h) && largest.1.is_multiple_of(v);
        if !self.components.iter().all(|one| divides(one.sampling)) {
            return Err(Error::Picture(
                "the JPEG's colours are sampled at a fraction that is not read here; save it again as a baseline JPEG"
                    .into(),
            ));
        }
        Ok(())
    }

    fn largest(&self) -> (usize, usize) {
        self.components.iter().fold((1, 1), |all, one| (all.0.max(one.sampling.0), all.1.max(one.sampling.1)))
    }

    /// Number of units in a scan of all components, across and down.
    fn units(&self) -> (usize, usize) {
        let (h, v) = self.largest();
        ((self.size.0 as usize).div_ceil(8 * h), (self.size.1 as usize).div_ceil(8 * v))
    }

    /// Number of blocks stored for a component, across and down.
    fn stored(&self, component: usize) -> (usize, usize) {
        let (units, sampling) = (self.units(), self.components[component].sampling);
        (units.0 * sampling.0, units.1 * sampling.1)
    }

    /// Reads Huffman tables (B.2.4.2). `None` when one is cut or impossible.
    fn huffman_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = segment {
            let counts: &[u8; 16] = rest.first_chunk()?;
            let length = counts.iter().map(|count| usize::from(*count)).sum::<usize>();
            let symbols = rest.get(16..16 + length)?;
            let tables = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *tables.get_mut(usize::from(head & 15))? = Some(Table::new(counts, symbols)?);
            segment = &rest[16 + length..];
        }
        Some(())
    }

    /// Reads quantisation tables (B.2.4.1), of which only the first value is kept. `None` when one is cut.
    fn quantisers(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = segment {
            let first = match head >> 4 {
                0 => i32::from(*rest.first()?),
                1 => i32::from(u16::from_be_bytes(*rest.first_chunk()?)),
                _ => return None,
            };
            *self.quantisers.get_mut(usize::from(head & 15))? = Some(first);
            segment = rest.get(64 * (1 + usize::from(head >> 4))..)?;
        }
        Some(())
    }

    /// The component identifiers of the output: those that every decoder takes for RGB, or for YCbCr and related
    /// colours.
    fn names(&self) -> [u8; 4] {
        let ids = self.components.iter().map(|component| component.id);
        let rgb = !self.jfif && (self.adobe == Some(0) || self.adobe.is_none() && ids.eq(*b"RGB"));
        if self.components.len() == 3 && rgb { *b"RGB\0" } else { [1, 2, 3, 4] }
    }

    /// The frame header of the output, with identifiers that every decoder takes for the same colours. Where there
    /// are four components, Adobe's marker segment comes first.
    ///
    /// The rules are libjpeg's (`default_decompress_parms`): with JFIF the colours are YCbCr; otherwise Adobe's
    /// marker decides, and otherwise the component identifiers.
    fn colour_header(&self) -> Vec<u8> {
        let count = self.components.len();
        let mut header = Vec::new();
        if count == 4 {
            let ycck = self.adobe.is_some_and(|transform| transform != 0);
            header.extend(b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0");
            header.push(if ycck { 2 } else { 0 });
        }
        let (width, height) = (self.size.0 as u16, self.size.1 as u16);
        header.extend([0xFF, self.sof, 0, 8 + 3 * count as u8, 8]);
        header.extend(height.to_be_bytes());
        header.extend(width.to_be_bytes());
        header.push(count as u8);
        for (component, name) in self.components.iter().zip(self.names()) {
            let (h, v) = component.sampling;
            header.extend([name, (h << 4 | v) as u8, component.table]);
        }
        header
    }

    /// Sets missing Huffman tables to the standard ones, as libjpeg-turbo does.
    fn standard_tables(&mut self) -> Result<()> {
        let mut segment = &STANDARD_TABLES[4..];
        while let [head, counts @ ..] = segment {
            let length = 17 + counts[..16].iter().map(|count| usize::from(*count)).sum::<usize>();
            let (table, rest) = segment.split_at(length);
            let tables = if head >> 4 == 0 { &self.dc } else { &self.ac };
            if tables[usize::from(head & 15)].is_none() {
                self.huffman_tables(table).ok_or_else(|| damaged("a Huffman table is impossible"))?;
                self.copy(0xC4, table);
            }
            segment = rest;
        }
        Ok(())
    }

    /// Reads the scan whose header begins at the current position (B.2.3), and copies it to the output.
    fn scan(&mut self, histories: &mut [History]) -> Result<()> {
        let segment = self.segment()?;
        let impossible = || damaged("a scan header is impossible");
        let (count, rest) = segment.split_first().ok_or_else(impossible)?;
        let count = usize::from(*count);
        if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(impossible());
        }
        let (selectors, parameters) = rest.split_at(2 * count);
        let mut places = Vec::new();
        for selector in selectors.chunks_exact(2) {
            let place = self.components.iter().position(|component| component.id == selector[0]);
            match place {
                Some(place) if !places.iter().any(|(other, _)| *other == place) => places.push((place, selector[1])),
                _ => return Err(impossible()),
            }
        }
        let (start, end, high, low) = (parameters[0], parameters[1], parameters[2] >> 4, parameters[2] & 15);
        let coding = self.coding(&places, (start, end), (high, low))?;

        let (alone, largest) = (places.len() == 1, self.largest());
        let mut units = self.units();
        let mut parts = Vec::new();
        for &(place, tables) in &places {
            let component = &self.components[place];
            let side = |size: u32, factor: usize, largest: usize| (size as usize * factor).div_ceil(8 * largest);
            if alone {
                units = (
                    side(self.size.0, component.sampling.0, largest.0),
                    side(self.size.1, component.sampling.1, largest.1),
                );
            }
            let quantiser = self.quantisers[usize::from(component.table)];
            parts.push(ScanComponent {
                component: place,
                unit: if alone { (1, 1) } else { component.sampling },
                stride: self.stored(place).0,
                dc: self.dc.get(usize::from(tables >> 4)).and_then(Option::as_ref),
                ac: self.ac.get(usize::from(tables & 15)).and_then(Option::as_ref),
                quantiser: quantiser.ok_or_else(|| damaged("a quantisation table is missing"))?,
            });
        }
        let scan = Scan { parts, units, interval: self.interval, coding };
        let end_of_scan = scan.check(self.bytes, self.at, histories).map_err(damaged)?;

        let names = self.names();
        let mut header = vec![count as u8];
        header.extend(places.iter().flat_map(|(place, tables)| [names[*place], *tables]));
        header.extend(parameters);
        self.copy(0xDA, &header);
        self.plain.extend(&self.bytes[self.at..end_of_scan]);
        self.at = end_of_scan;
        Ok(())
    }

    /// How a scan is coded, checked against the order of progression that T.81 allows (G.1.1.1).
    fn coding(&mut self, places: &[(usize, u8)], (start, end): (u8, u8), (high, low): (u8, u8)) -> Result<Coding> {
        if !self.is_progressive() {
            if (start, end, high, low) != (0, 63, 0, 0) {
                return Err(damaged("a scan header is impossible"));
            }
            for (place, _) in places {
                if self.components[*place].known[0].replace(0).is_some() {
                    return Err(damaged("one of its colours comes twice"));
                }
            }
            return Ok(Coding::Sequential);
        }
        let band = if start == 0 { end == 0 } else { start <= end && end < 64 && places.len() == 1 };
        if !band || low > 13 || high > 0 && low + 1 != high {
            return Err(damaged("a scan header is impossible"));
        }
        for (place, _) in places {
            let known = &mut self.components[*place].known;
            let in_order = start == 0 || known[0].is_some();
            for bit in &mut known[usize::from(start)..=usize::from(end)] {
                if !in_order || bit.replace(low).unwrap_or(0) != high {
                    return Err(damaged("one of its scans is missing"));
                }
            }
        }
        let (start, end, low) = (u32::from(start), u32::from(end), u32::from(low));
        Ok(match (start, high) {
            (0, 0) => Coding::DcFirst { low },
            (0, _) => Coding::DcRefinement,
            (_, 0) => Coding::AcFirst { start, end },
            _ => Coding::AcRefinement { start, end },
        })
    }
}

fn damaged(what: Damage) -> Error {
    Error::Picture(format!("the picture is damaged: {what}; take or copy it again"))
}

/// The error for a kind of JPEG that is not supported; `marker` is that of its frame header (B.1.1.3, table B.1).
fn unread(marker: u8) -> Error {
    let kind = match marker {
        0xC3 => "a lossless",
        0xC9 | 0xCA => "an arithmetic-coded",
        _ => "a hierarchical, or lossless arithmetic-coded,",
    };
    Error::Picture(format!("the file is {kind} JPEG, which is not read here; save it as a baseline JPEG, or as PNG"))
}

#[cfg(test)]
mod tests;
