"""`GET /alerts` as it is commonly written: FastAPI, pydantic models as the response, SQLAlchemy in the thread pool.

python -m benchmarks.peers.plain_api HOT_DB

Left out: cursors, 304, compression, limits of any kind, and every other endpoint.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Base(DeclarativeBase):
    pass


class AlertRow(_Base):
    """A row of the table."""

    __tablename__ = "alerts"
    alert_id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int]
    alert_type: Mapped[str]
    module_id: Mapped[str]
    symbol: Mapped[str]
    exchange: Mapped[str | None]
    severity: Mapped[str]
    detected_at: Mapped[int]
    status: Mapped[str]
    message: Mapped[str]
    details: Mapped[str]
    preset: Mapped[str]
    recorded_at: Mapped[int]


class AlertModel(BaseModel):
    """An alert as it is answered."""

    alert_id: str
    revision: int
    alert_type: str
    module_id: str
    symbol: str
    exchange: str | None
    severity: str
    detected_at: datetime
    status: str
    message: str
    details: dict[str, Any]
    preset: str
    recorded_at: datetime


class PageModel(BaseModel):
    """A page of alerts."""

    alerts: list[AlertModel]
    count: int


def make_plain_app(path: Path) -> FastAPI:
    """The application over a hot store's file."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})
    app = FastAPI()

    def session() -> Any:
        with Session(engine) as opened:
            yield opened

    @app.get("/alerts")
    def alerts(
        session: Annotated[Session, Depends(session)],
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        symbol: str | None = None,
        type: str | None = None,
    ) -> PageModel:
        query = session.query(AlertRow)
        if symbol is not None:
            query = query.filter(AlertRow.symbol == symbol)
        if type is not None:
            query = query.filter(AlertRow.alert_type == type)
        rows = query.order_by(AlertRow.detected_at.desc(), AlertRow.alert_id).limit(limit).all()
        found = [
            AlertModel(
                **{name: getattr(row, name) for name in AlertModel.model_fields if name not in _READ},
                details=json.loads(row.details),
                detected_at=_EPOCH + timedelta(microseconds=row.detected_at),
                recorded_at=_EPOCH + timedelta(microseconds=row.recorded_at),
            )
            for row in rows
        ]
        return PageModel(alerts=found, count=len(found))

    return app


_READ = {"details", "detected_at", "recorded_at"}

if __name__ == "__main__":
    uvicorn.run(make_plain_app(Path(sys.argv[1])), port=int(sys.argv[2]), access_log=False, log_level="error")
