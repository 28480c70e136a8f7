"""The pages that people use: `app.build_pages` makes them, `access.require` says who may see one."""
