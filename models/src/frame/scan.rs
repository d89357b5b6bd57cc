//! The entropy-coded data of a JPEG scan enter and are read to their end; the position after them leaves, or what is
//! wrong with them.
//!
//! A file of its own because decoders fill in lost data without a warning. Here every Huffman code is decoded as in
//! ITU-T T.81 (annexes F and G), but no pixels are made: bits that are missing, left over or impossible are damage.

/// What is wrong with the data, in words that follow "the picture is damaged: ".
pub(super) type Damage = &'static str;

const CUT: Damage = "its data end before its last row";
const CODE: Damage = "its data hold an invalid code";
const PAST: Damage = "a block of its data holds more values than there are places";
const SURPLUS: Damage = "it holds data that belong to no row";
const RESTART: Damage = "a restart marker is missing or out of order";
const RANGE: Damage = "its brightness leaves every possible range";

/// Number of bits of a code that are looked up at once.
const LOOKUP: u32 = 9;

/// A Huffman table, built as in T.81, annex C.
pub(super) struct Table {
    /// Indexed by the next [`LOOKUP`] bits: the code's length (0 for a longer code) and its symbol.
    short: Vec<(u8, u8)>,
    /// Indexed by the code's length: the last code plus one, aligned to 16 bits, and the offset from a code to the
    /// index of its symbol.
    long: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Table {
    /// Builds a table from the number of codes of each length 1 to 16, and their symbols in order. `None` when they
    /// do not form a prefix code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut short = vec![(0, 0); 1 << LOOKUP];
        let mut long = [(0, 0); 17];
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(counts) {
            let offset = place as i32 - code as i32;
            for symbol in symbols.get(place..place + usize::from(*count))? {
                if length <= LOOKUP {
                    let first = (code << (LOOKUP - length)) as usize;
                    short.get_mut(first..first + (1 << (LOOKUP - length)))?.fill((length as u8, *symbol));
                }
                code += 1;
            }
            place += usize::from(*count);
            // No code may be all ones.
            if *count > 0 && code >= 1 << length {
                return None;
            }
            long[length as usize] = (code << (16 - length), offset);
            code <<= 1;
        }
        Some(Self { short, long, symbols: symbols.to_vec() })
    }
}

/// The bits of a scan up to the next marker, without the zero bytes that are stuffed after 0xFF.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next `count` bits, highest first. The bits below them are either zero or already the bits that follow.
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            if let Some(eight) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
                let word = u64::from_be_bytes(*eight);
                // A byte is 0xFF if its complement is zero.
                let complement = !word;
                if complement.wrapping_sub(0x0101_0101_0101_0101) & !complement & 0x8080_8080_8080_8080 == 0 {
                    let bytes = (64 - self.count) / 8;
                    self.held |= word >> self.count;
                    self.at += bytes as usize;
                    self.count += 8 * bytes;
                    return;
                }
            }
            let Some(byte) = self.byte() else { return };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Reads the next byte; `None` at a marker and at the end of the data.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        let mut next = self.at + 1;
        if byte == 0xFF {
            // Several 0xFF may stand before a marker, and also before the stuffed zero.
            while *self.data.get(next)? == 0xFF {
                next += 1;
            }
            if self.data[next] != 0 {
                return None;
            }
            next += 1;
        }
        self.at = next;
        Some(byte)
    }

    #[inline]
    fn consume(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits;
    }

    /// Reads the next `bits` bits, at most 16, as a number.
    #[inline]
    fn take(&mut self, bits: u32) -> Result<u32, Damage> {
        if bits == 0 {
            return Ok(0);
        }
        if self.count < bits {
            self.fill();
            if self.count < bits {
                return Err(CUT);
            }
        }
        let value = (self.held >> (64 - bits)) as u32;
        self.consume(bits);
        Ok(value)
    }

    fn skip(&mut self, mut bits: u32) -> Result<(), Damage> {
        while bits > 0 {
            let some = bits.min(16);
            self.take(some)?;
            bits -= some;
        }
        Ok(())
    }

    #[inline]
    fn symbol(&mut self, table: &Table) -> Result<u8, Damage> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.short[(self.held >> (64 - LOOKUP)) as usize];
        if length > 0 {
            if u32::from(length) > self.count {
                return Err(CUT);
            }
            self.consume(u32::from(length));
            return Ok(symbol);
        }
        let window = (self.held >> 48) as u32;
        for length in LOOKUP + 1..=16 {
            let (end, offset) = table.long[length as usize];
            if window < end {
                if length > self.count {
                    return Err(CUT);
                }
                self.consume(length);
                let place = (window >> (16 - length)) as i32 + offset;
                return table.symbols.get(place as usize).copied().ok_or(CODE);
            }
        }
        Err(if self.count < 16 { CUT } else { CODE })
    }

    /// Reads a difference of `size` bits, as EXTEND in T.81 (F.2.2.1).
    #[inline]
    fn difference(&mut self, size: u32) -> Result<i32, Damage> {
        let value = self.take(size)? as i32;
        Ok(if size > 0 && value < 1 << (size - 1) { value - (1 << size) + 1 } else { value })
    }

    /// Fails when whole bytes are left before the marker. The remaining bits of the last byte are padding.
    fn end(&mut self) -> Result<(), Damage> {
        self.fill();
        if self.count >= 8 { Err(SURPLUS) } else { Ok(()) }
    }

    /// Skips the restart marker with this number, 0 to 7.
    fn restart(&mut self, number: u8) -> Result<(), Damage> {
        self.end()?;
        let fill = self.data[self.at.min(self.data.len())..].iter().take_while(|byte| **byte == 0xFF).count();
        match self.data.get(self.at + fill) {
            None => return Err(CUT),
            Some(marker) if fill > 0 && *marker == 0xD0 + number => {}
            Some(_) => return Err(RESTART),
        }
        self.at += fill + 1;
        (self.held, self.count) = (0, 0);
        Ok(())
    }
}

/// How a scan's blocks are coded.
#[derive(Clone, Copy)]
pub(super) enum Coding {
    /// All coefficients of each block.
    Sequential,
    /// The first coefficient of each block, without its lowest `low` bits.
    DcFirst { low: u32 },
    /// One more bit of the first coefficient of each block.
    DcRefinement,
    /// Coefficients `start..=end` for the first time.
    AcFirst { start: u32, end: u32 },
    /// One more bit of coefficients `start..=end`.
    AcRefinement { start: u32, end: u32 },
}

/// One component's part in a scan.
pub(super) struct ScanComponent<'a> {
    /// The component's index in the picture, which is also its index in the histories that [`Scan::check`] takes.
    pub(super) component: usize,
    /// Blocks of the component in one unit of the scan, across and down: its sampling factors, or 1 and 1 when the
    /// scan has only this component.
    pub(super) unit: (usize, usize),
    /// Width, in blocks, of what is stored for the component.
    pub(super) stride: usize,
    pub(super) dc: Option<&'a Table>,
    pub(super) ac: Option<&'a Table>,
    /// The quantiser of the first coefficient.
    pub(super) quantiser: i32,
}

/// A scan and how to read it.
pub(super) struct Scan<'a> {
    pub(super) parts: Vec<ScanComponent<'a>>,
    /// Number of units, across and down.
    pub(super) units: (usize, usize),
    /// Number of units between restart markers; 0 for none.
    pub(super) interval: usize,
    pub(super) coding: Coding,
}

/// For each block of a component, one bit per coefficient: set when the coefficient is not zero so far. Later scans
/// spend a bit on each of these.
pub(super) type History = Vec<u64>;

impl Scan<'_> {
    /// Reads the scan that begins at `start`, and returns the position of the marker where it ends.
    pub(super) fn check(&self, data: &[u8], start: usize, histories: &mut [History]) -> Result<usize, Damage> {
        let mut bits = Bits { data, at: start, held: 0, count: 0 };
        let mut predicted = [0_i32; 4];
        // Number of blocks that an end-of-band code still covers.
        let mut band = 0_u32;
        let (mut left, mut number) = (self.interval, 0);
        for row in 0..self.units.1 {
            for column in 0..self.units.0 {
                if self.interval > 0 && left == 0 {
                    if band > 0 {
                        return Err(PAST);
                    }
                    bits.restart(number)?;
                    (left, number, predicted) = (self.interval, (number + 1) % 8, [0; 4]);
                }
                left = left.wrapping_sub(1);
                for (part, predicted) in self.parts.iter().zip(&mut predicted) {
                    for block in 0..part.unit.0 * part.unit.1 {
                        let (x, y) =
                            (column * part.unit.0 + block % part.unit.0, row * part.unit.1 + block / part.unit.0);
                        self.block(&mut bits, part, (x, y), predicted, &mut band, histories)?;
                    }
                }
            }
        }
        if band > 0 {
            return Err(PAST);
        }
        bits.end()?;
        Ok(bits.at)
    }

    #[inline]
    fn block(
        &self,
        bits: &mut Bits,
        part: &ScanComponent,
        (x, y): (usize, usize),
        predicted: &mut i32,
        band: &mut u32,
        histories: &mut [History],
    ) -> Result<(), Damage> {
        let (dc, ac) = (part.dc.ok_or(CODE), part.ac.ok_or(CODE));
        match self.coding {
            Coding::Sequential => {
                first(bits, dc?, predicted, 0, part.quantiser)?;
                sequential(bits, ac?)
            }
            Coding::DcFirst { low } => first(bits, dc?, predicted, low, part.quantiser),
            Coding::DcRefinement => bits.skip(1),
            Coding::AcFirst { start, end } => {
                if *band > 0 {
                    *band -= 1;
                    return Ok(());
                }
                let history = &mut histories[part.component][y * part.stride + x];
                progressive(bits, ac?, (start, end), band, history)
            }
            Coding::AcRefinement { start, end } => {
                let history = &mut histories[part.component][y * part.stride + x];
                refined(bits, ac?, (start, end), band, history)
            }
        }
    }
}

/// Reads the first coefficient (F.2.2.1). With 8-bit samples, its dequantised value lies within 8 * 128. More than
/// twice that, plus two quantiser steps, cannot come from a picture.
#[inline]
fn first(bits: &mut Bits, table: &Table, predicted: &mut i32, low: u32, quantiser: i32) -> Result<(), Damage> {
    let size = u32::from(bits.symbol(table)?);
    if size > 15 {
        return Err(CODE);
    }
    *predicted += bits.difference(size)?;
    let (value, step) = (i64::from(*predicted) << low, i64::from(quantiser) << low);
    if (value * i64::from(quantiser)).abs() > 2048 + 2 * step { Err(RANGE) } else { Ok(()) }
}

/// Reads the other 63 coefficients of a block (F.2.2.2).
#[inline]
fn sequential(bits: &mut Bits, table: &Table) -> Result<(), Damage> {
    let mut place = 1;
    while place < 64 {
        let symbol = u32::from(bits.symbol(table)?);
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run < 15 {
            return Ok(());
        }
        place += run + 1;
        if place > 64 {
            return Err(PAST);
        }
        bits.take(size)?;
    }
    Ok(())
}

/// Reads the length of an end-of-band run (G.1.2.2).
fn band_run(bits: &mut Bits, power: u32) -> Result<u32, Damage> {
    Ok((1 << power) + bits.take(power)?)
}

/// Reads a band of coefficients for the first time (G.1.2.2).
fn progressive(
    bits: &mut Bits,
    table: &Table,
    (start, end): (u32, u32),
    band: &mut u32,
    history: &mut u64,
) -> Result<(), Damage> {
    let mut place = start;
    while place <= end {
        let symbol = u32::from(bits.symbol(table)?);
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run < 15 {
            *band = band_run(bits, run)? - 1;
            return Ok(());
        }
        place += run;
        if place > end {
            return Err(PAST);
        }
        if size > 0 {
            bits.take(size)?;
            *history |= 1 << place;
        }
        place += 1;
    }
    Ok(())
}

/// Reads one more bit of a band (G.1.2.3). On the way to the next new coefficient, each one that is already nonzero
/// takes a bit.
fn refined(
    bits: &mut Bits,
    table: &Table,
    (start, end): (u32, u32),
    band: &mut u32,
    history: &mut u64,
) -> Result<(), Damage> {
    let mut place = start;
    while *band == 0 && place <= end {
        let symbol = u32::from(bits.symbol(table)?);
        let (mut run, size) = (symbol >> 4, symbol & 15);
        match (run, size) {
            (_, 1) => bits.skip(1)?,
            (15, 0) => {}
            (_, 0) => {
                *band = band_run(bits, run)?;
                break;
            }
            _ => return Err(CODE),
        }
        loop {
            if place > end {
                // A run may end with the band, but a new coefficient may not stand behind it.
                return if size > 0 || run > 0 { Err(PAST) } else { Ok(()) };
            }
            if *history >> place & 1 == 1 {
                bits.skip(1)?;
            } else if run == 0 {
                break;
            } else {
                run -= 1;
            }
            place += 1;
        }
        if size > 0 {
            *history |= 1 << place;
        }
        place += 1;
    }
    if *band > 0 {
        if place <= end {
            let rest = (u64::MAX >> (63 - end)) & (u64::MAX << place);
            bits.skip((*history & rest).count_ones())?;
        }
        *band -= 1;
    }
    Ok(())
}
