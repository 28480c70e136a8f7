"""The office's part of the API: retention for the ops team, rights for the privacy officer, receipts."""

from __future__ import annotations

from fastapi import FastAPI

from callveil.kit import Service, office_of
from callveil.web import office_papers, office_recipients, office_retention, office_subjects
from callveil.web.export_file import clear_exports
from callveil.web.office_desk import Desk


def install(app: FastAPI, service: Service) -> None:
    """Add the endpoints.

    Args:
        app: The web application; answers errors as `web.problems` says.
        service: What is open of the installation.

    Raises:
        ConfigError: The retention policies are wrong.
    """
    office = office_of(service)
    clear_exports(office.site.data)
    desk = Desk(office)
    for part in (office_subjects, office_papers, office_retention, office_recipients):
        part.install(app, desk)
