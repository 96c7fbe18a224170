"""Where the text comes from, how it is split, and how it becomes tokens."""

from typing import Annotated, Literal

from pydantic import Field

from distrnn.text import TokenizerSpec
from distrnn.workflow.section import Fraction, Section

TABLE_SOURCES = ("csv", "jsonl", "parquet")
FILE_SOURCES = (*TABLE_SOURCES, "text")
DOCUMENT_SOURCES = ("imdb", "synthetic-reviews", *FILE_SOURCES)
CORPUS_SOURCES = ("nietzsche", "python-docs", *FILE_SOURCES)


class Tokenizer(Section):
    """How text becomes tokens."""

    level: Literal["word", "char"] = Field("word", description="Unit of a token.")
    vocabulary_size: Annotated[int, Field(ge=4)] | None = Field(
        None, description="Ids in use, reserved ones included; the most frequent tokens are kept. Default: 20000 words, all characters."
    )
    buckets: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Hash tokens to that many ids in place of a vocabulary; `distrnn datasets show` tells how many share one."
    )
    ngrams: Annotated[int, Field(ge=1, le=8)] = Field(1, description="1 to so many neighbouring tokens make a token.")
    layout: Literal["sequence", "bag"] = Field(
        "sequence", description="Tokens in their order, or the distinct ones of a document, for models that are blind to order."
    )
    boundaries: bool = Field(False, description="Each document of a corpus begins with a start id. Language models only.")
    case: Literal["fold", "keep"] | None = Field(None, description="Lower every token, or keep it. Default: fold words, keep characters.")
    html: Literal["strip", "keep"] | None = Field(
        None, description="Remove `<br />` before splitting into words. Default: strip. Words only."
    )

    def spec(self) -> TokenizerSpec:
        """The tokenizer's rules with every default filled in."""
        word = self.level == "word"
        return TokenizerSpec(
            level=self.level,
            case=self.case or ("fold" if word else "keep"),
            html=self.html or ("strip" if word else "keep"),
            vocabulary_size=self.vocabulary_size or (20_000 if word and self.buckets is None else None),
            ngrams=self.ngrams,
            layout=self.layout,
            buckets=self.buckets,
            boundaries=self.boundaries,
        )


class Data(Section):
    """Where the text comes from and how it is split."""

    source: Literal["imdb", "nietzsche", "synthetic-reviews", "python-docs", "csv", "jsonl", "parquet", "text"] = Field(
        description="What the text is: one of the known ones, or your own files of that format, perhaps within gzip or zstd."
    )
    path: str | None = Field(
        None,
        description="Where the text is, relative to this file: a file or folder, for csv, jsonl, parquet and text also a glob; or an "
        "s3:// URL of any of them. A folder of train and test files, or of folders of those names, brings its own test split. "
        "Default: download (imdb, nietzsche).",
    )
    test_path: str | None = Field(
        None, description="The test split's own files or their s3:// URL, for csv, jsonl, parquet, text and an imdb CSV."
    )
    text_column: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Column or field of the text, for csv, jsonl and parquet. Default: text."
    )
    label_column: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Column or field of the label, for csv, jsonl and parquet. Default: label."
    )
    labels: Literal["none"] | Annotated[list[str | int], Field(min_length=2)] | dict[str | int | float | bool, str] | None = Field(
        None,
        description="Names of the labels, which stand in the label column or are counted there from 0; or the name of each value that "
        "stands there; or none for documents without labels. Of text files the label is the name of the folder. "
        "Default: negative and positive.",
    )
    document: Literal["file", "line", "paragraph"] | None = Field(
        None, description="What one document of a text file is; paragraphs are apart by empty lines. Default: file."
    )
    invalid_utf8: Literal["replace", "refuse"] | None = Field(
        None, description="Bytes that are no UTF-8 become U+FFFD and are counted, or are an error. Default: replace."
    )
    test_fraction: Fraction | None = Field(
        None,
        description="Share held out for testing: documents by hash of the text, a corpus by its contiguous tail. 0 is allowed for a "
        "language model. Default: the source's own split; 0.1 of a corpus.",
    )
    validation_fraction: Fraction | None = Field(
        None,
        description="Share of the training split held out for validation, by hash of the text, or the tail of a corpus. "
        "Default: 0.2, 0 for a corpus.",
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="That many documents of each split, chosen by the seed; for a corpus, that many characters from its start, or "
        "documents where it is a table or has boundaries.",
    )
    train_limit: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Train on so many documents of the training split, chosen by the seed; the vocabulary is that of the whole split, and "
        "the dataset stays the same. Classifiers only.",
    )
    validation_limit: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Validate with so many documents of the validation split, chosen by the seed. Classifiers only."
    )
    duplicates: Literal["keep", "exact", "near"] = Field(
        "keep",
        description="Leave out documents that stand elsewhere too, exactly or nearly, so that none of a test document is trained on. "
        "Classifiers only.",
    )
    tokenizer: Tokenizer = Field(default_factory=Tokenizer)
