"""What a job leaves behind: manifests, records, digests, atomic writes, event logs. Imports nothing of ours."""
