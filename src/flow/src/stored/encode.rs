//! Rows to columns.

use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::schema::{COLUMNS, FORMAT_VERSION, FORMAT_VERSION_KEY, schema};
use super::text::{EndTexts, of_end, of_outcome, of_side};
use super::{StoredError, TIME_MAX, TIME_MIN};
use crate::summary::{EndId, Key, Summaries, Tally};

/// Rows of one group: what a reader with a time filter reads or skips at once.
const GROUP_ROWS_MAX: usize = 1 << 17;

/// Summaries as one Parquet file.
///
/// # Errors
/// [`StoredError::Parquet`] if the writer refuses, which no input is known to cause.
pub fn encode(summaries: &Summaries) -> Result<Vec<u8>, StoredError> {
    encode_some(summaries, &summaries.rows)
}

/// Some of the rows of summaries as one Parquet file, without a copy of them.
///
/// # Errors
/// As [`encode`].
pub fn encode_some(summaries: &Summaries, rows: &[(Key, Tally)]) -> Result<Vec<u8>, StoredError> {
    let texts: Vec<EndTexts> = summaries.ends.iter().map(|(_, end)| of_end(end)).collect();
    let mut rows: Vec<&(Key, Tally)> = rows.iter().collect();
    let ranks = ranks(&texts);
    let rank = |end: EndId| ranks.get(end.0 as usize).copied();
    rows.sort_unstable_by_key(|(key, _)| {
        (key.window, rank(key.source), rank(key.destination), key.service, key.outcome, key.side)
    });
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("bulkhead".to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(
            FORMAT_VERSION_KEY.to_owned(),
            FORMAT_VERSION.to_string(),
        )]))
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema()?), Arc::new(properties))?;
    for rows in rows.chunks(GROUP_ROWS_MAX) {
        let group = Group { window_s: summaries.window_s, texts: &texts, rows };
        let mut writer = file.next_row_group()?;
        for (name, _) in COLUMNS {
            let column = writer.next_column()?.ok_or_else(|| no_column(name))?;
            group.write(name, column)?;
        }
        writer.close()?;
    }
    Ok(file.into_inner()?)
}

/// The place of each end when all are sorted by their texts, so that the order in which they were met does not show.
fn ranks(texts: &[EndTexts]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    let key = |at: &usize| {
        let bytes = |text: &Option<ByteArray>| text.as_ref().map(|text| text.data().to_vec());
        texts.get(*at).map(|end| [&end.labels, &end.network, &end.address].map(bytes))
    };
    order.sort_by_cached_key(key);
    let mut ranks = vec![0; texts.len()];
    for (rank, at) in order.into_iter().enumerate() {
        if let Some(place) = ranks.get_mut(at) {
            *place = rank as u32;
        }
    }
    ranks
}

struct Group<'a> {
    window_s: u32,
    texts: &'a [EndTexts],
    rows: &'a [&'a (Key, Tally)],
}

impl Group<'_> {
    fn write(&self, name: &str, mut column: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let (source, destination) = (|key: &Key| key.source, |key: &Key| key.destination);
        match (name, column.untyped()) {
            ("window_start", to) => self.times(to, |key, _| key.window),
            ("window_s", to) => self.small(to, |_| self.window_s.min(i32::MAX as u32) as i32),
            ("source_labels", to) => self.end(to, source, |texts| &texts.labels),
            ("source_network", to) => self.end(to, source, |texts| &texts.network),
            ("source_address", to) => self.end(to, source, |texts| &texts.address),
            ("destination_labels", to) => self.end(to, destination, |texts| &texts.labels),
            ("destination_network", to) => self.end(to, destination, |texts| &texts.network),
            ("destination_address", to) => self.end(to, destination, |texts| &texts.address),
            ("protocol", to) => self.small(to, |key| key.service.protocol.into()),
            ("port", to) => self.small(to, |key| key.service.detail.into()),
            ("outcome", to) => self.texts(to, |key| of_outcome(key.outcome)),
            ("reporter", to) => self.texts(to, |key| of_side(key.side)),
            ("connections", to) => self.counts(to, |tally| tally.connections),
            ("packets", to) => self.counts(to, |tally| tally.packets),
            ("bytes", to) => self.counts(to, |tally| tally.bytes),
            ("reply_packets", to) => self.counts(to, |tally| tally.reply_packets),
            ("reply_bytes", to) => self.counts(to, |tally| tally.reply_bytes),
            ("first_seen", to) => self.times(to, |_, tally| tally.first),
            ("last_seen", to) => self.times(to, |_, tally| tally.last),
            ("guessed", to) => self.counts(to, |tally| tally.guessed),
            ("rejected_replies", to) => self.counts(to, |tally| tally.rejected_replies),
            _ => Err(no_column(name)),
        }?;
        column.close()
    }

    fn times(
        &self,
        to: &mut ColumnWriter<'_>,
        second: impl Fn(&Key, &Tally) -> i64,
    ) -> Result<(), ParquetError> {
        self.large(to, |key, tally| second(key, tally).clamp(TIME_MIN, TIME_MAX) * 1000)
    }

    fn counts(&self, to: &mut ColumnWriter<'_>, count: impl Fn(&Tally) -> u64) -> Result<(), ParquetError> {
        self.large(to, |_, tally| count(tally).min(i64::MAX as u64) as i64)
    }

    fn large(
        &self,
        to: &mut ColumnWriter<'_>,
        value: impl Fn(&Key, &Tally) -> i64,
    ) -> Result<(), ParquetError> {
        let ColumnWriter::Int64ColumnWriter(to) = to else { return Err(no_column("INT64")) };
        let values: Vec<i64> = self.rows.iter().map(|(key, tally)| value(key, tally)).collect();
        to.write_batch(&values, None, None).map(|_| ())
    }

    fn small(&self, to: &mut ColumnWriter<'_>, value: impl Fn(&Key) -> i32) -> Result<(), ParquetError> {
        let ColumnWriter::Int32ColumnWriter(to) = to else { return Err(no_column("INT32")) };
        let values: Vec<i32> = self.rows.iter().map(|(key, _)| value(key)).collect();
        to.write_batch(&values, None, None).map(|_| ())
    }

    fn texts(
        &self,
        to: &mut ColumnWriter<'_>,
        text: impl Fn(&Key) -> &'static str,
    ) -> Result<(), ParquetError> {
        let ColumnWriter::ByteArrayColumnWriter(to) = to else { return Err(no_column("STRING")) };
        let values: Vec<ByteArray> = self.rows.iter().map(|(key, _)| text(key).into()).collect();
        to.write_batch(&values, None, None).map(|_| ())
    }

    fn end(
        &self,
        to: &mut ColumnWriter<'_>,
        end: impl Fn(&Key) -> EndId,
        text: impl Fn(&EndTexts) -> &Option<ByteArray>,
    ) -> Result<(), ParquetError> {
        let ColumnWriter::ByteArrayColumnWriter(to) = to else { return Err(no_column("STRING")) };
        let of = |key: &Key| self.texts.get(end(key).0 as usize).and_then(|texts| text(texts).as_ref());
        let levels: Vec<i16> = self.rows.iter().map(|(key, _)| of(key).is_some().into()).collect();
        let values: Vec<ByteArray> = self.rows.iter().filter_map(|(key, _)| of(key).cloned()).collect();
        to.write_batch(&values, Some(&levels), None).map(|_| ())
    }
}

fn no_column(name: &str) -> ParquetError {
    ParquetError::General(format!("column `{name}` is not as the schema says"))
}
