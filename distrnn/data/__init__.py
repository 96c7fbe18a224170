"""From text to batches: sources, tokenizing, the committed dataset, and what training reads from it. No TensorFlow, no Ray.

The way of a text: `sources` cuts it into chunks, `tokenize_arrow` turns a chunk into ids of its own, `vocabulary` merges the chunks'
counts, `shards` writes the final ids, `manifest` commits them, `dataset` opens them and `batches` lays them out for a step.
"""
