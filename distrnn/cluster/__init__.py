"""Everything that speaks to Ray: preprocessing actors, the training job, and the run that ties them together."""
