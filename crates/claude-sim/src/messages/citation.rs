//! Where a text was taken from.

use std::ops::Range;

use serde::Serialize;

/// What a text cites. See [`Block::cited`](crate::Block::cited).
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Citation(Place);

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
enum Place {
    #[serde(rename = "char_location")]
    Char {
        cited_text: String,
        document_index: u64,
        document_title: Option<String>,
        start_char_index: u64,
        end_char_index: u64,
        file_id: Option<String>,
    },
    #[serde(rename = "page_location")]
    Page {
        cited_text: String,
        document_index: u64,
        document_title: Option<String>,
        start_page_number: u64,
        end_page_number: u64,
        file_id: Option<String>,
    },
    #[serde(rename = "content_block_location")]
    ContentBlock {
        cited_text: String,
        document_index: u64,
        document_title: Option<String>,
        start_block_index: u64,
        end_block_index: u64,
        file_id: Option<String>,
    },
    #[serde(rename = "web_search_result_location")]
    WebSearchResult { cited_text: String, url: String, title: Option<String>, encrypted_index: String },
    #[serde(rename = "search_result_location")]
    SearchResult {
        cited_text: String,
        source: String,
        title: Option<String>,
        search_result_index: u64,
        start_block_index: u64,
        end_block_index: u64,
    },
}

impl Citation {
    /// Characters of the document with this index.
    pub fn characters(document_index: u64, cited_text: impl Into<String>, range: Range<u64>) -> Self {
        Self(Place::Char {
            cited_text: cited_text.into(),
            document_index,
            document_title: None,
            start_char_index: range.start,
            end_char_index: range.end,
            file_id: None,
        })
    }

    /// Pages of the document with this index, counted from 1.
    pub fn pages(document_index: u64, cited_text: impl Into<String>, range: Range<u64>) -> Self {
        Self(Place::Page {
            cited_text: cited_text.into(),
            document_index,
            document_title: None,
            start_page_number: range.start,
            end_page_number: range.end,
            file_id: None,
        })
    }

    /// Blocks of the document with this index.
    pub fn blocks(document_index: u64, cited_text: impl Into<String>, range: Range<u64>) -> Self {
        Self(Place::ContentBlock {
            cited_text: cited_text.into(),
            document_index,
            document_title: None,
            start_block_index: range.start,
            end_block_index: range.end,
            file_id: None,
        })
    }

    /// A page that a web search found.
    pub fn web(url: impl Into<String>, title: impl Into<String>, cited_text: impl Into<String>) -> Self {
        Self(Place::WebSearchResult {
            cited_text: cited_text.into(),
            url: url.into(),
            title: Some(title.into()),
            encrypted_index: "Eo8BCioIAhgBIiQ3NGQ0".into(),
        })
    }

    /// Blocks of a search result that the request brought, by its index among those.
    pub fn search_result(
        index: u64,
        source: impl Into<String>,
        cited_text: impl Into<String>,
        range: Range<u64>,
    ) -> Self {
        Self(Place::SearchResult {
            cited_text: cited_text.into(),
            source: source.into(),
            title: None,
            search_result_index: index,
            start_block_index: range.start,
            end_block_index: range.end,
        })
    }
}
