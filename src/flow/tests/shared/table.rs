//! Writes tables as Parquet files, as the low-level writer of the `parquet` crate does it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use parquet::basic::{Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

/// The cells of a column, as many as rows.
#[derive(Clone)]
pub enum Cells {
    Narrow(Vec<Option<i32>>),
    Wide(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Fractions(Vec<f64>),
}

/// A file with columns of these names.
pub type Table = Vec<(&'static str, Cells)>;

fn schema(table: &Table, repetition: Repetition) -> Type {
    let fields = table.iter().map(|(name, cells)| {
        let physical = match cells {
            Cells::Narrow(_) => Physical::INT32,
            Cells::Wide(_) => Physical::INT64,
            Cells::Text(_) => Physical::BYTE_ARRAY,
            Cells::Fractions(_) => Physical::DOUBLE,
        };
        Arc::new(Type::primitive_type_builder(name, physical).with_repetition(repetition).build().unwrap())
    });
    Type::group_type_builder("schema").with_fields(fields.collect()).build().unwrap()
}

fn slice<T: Clone>(cells: &[Option<T>], rows: &std::ops::Range<usize>) -> (Vec<T>, Vec<i16>) {
    let cells = &cells[rows.clone()];
    (cells.iter().flatten().cloned().collect(), cells.iter().map(|cell| cell.is_some().into()).collect())
}

/// Writes a file whose row groups have at most so many rows.
pub fn write(
    table: &Table,
    properties: WriterPropertiesBuilder,
    repetition: Repetition,
    group: usize,
) -> Vec<u8> {
    let rows = match &table[0].1 {
        Cells::Narrow(cells) => cells.len(),
        Cells::Wide(cells) => cells.len(),
        Cells::Text(cells) => cells.len(),
        Cells::Fractions(cells) => cells.len(),
    };
    let mut file = Vec::new();
    let schema = Arc::new(schema(table, repetition));
    let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::new(properties.build())).unwrap();
    for begin in (0..rows).step_by(group.max(1)) {
        let range = begin..rows.min(begin + group);
        let mut out = writer.next_row_group().unwrap();
        for (_, cells) in table {
            let mut column = out.next_column().unwrap().unwrap();
            match cells {
                Cells::Narrow(cells) => {
                    let (values, levels) = slice(cells, &range);
                    column.typed::<Int32Type>().write_batch(&values, Some(&levels), None).unwrap();
                }
                Cells::Wide(cells) => {
                    let (values, levels) = slice(cells, &range);
                    column.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
                }
                Cells::Text(cells) => {
                    let (values, levels) = slice(cells, &range);
                    let values: Vec<ByteArray> = values.iter().map(|text| text.as_str().into()).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
                }
                Cells::Fractions(cells) => {
                    let levels = vec![1; range.len()];
                    column
                        .typed::<DoubleType>()
                        .write_batch(&cells[range.clone()], Some(&levels), None)
                        .unwrap();
                }
            }
            column.close().unwrap();
        }
        out.close().unwrap();
    }
    writer.close().unwrap();
    file
}
