"""Rights of data subjects, pure: identifiers, documents, what an erasure may and may not do."""
