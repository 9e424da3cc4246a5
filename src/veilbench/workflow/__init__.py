"""From configuration to records: composing, the stages of the pipeline, sweeps, searches, the report and tracking."""
