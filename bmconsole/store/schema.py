"""What the three files look like, as migrations from the first day.

STRICT tables, money in integer minor units, times as UTC text of fixed width (`domain.times.stamp`).
"""

from typing import TYPE_CHECKING

from bmconsole.store import search
from bmconsole.store.sqlite import Schema

if TYPE_CHECKING:
    from sqlite_utils import Database

MIRROR = Schema("mirror", b"BMCm")
JOURNAL = Schema("journal", b"BMCj")
HISTORY = Schema("history", b"BMCh")


def _run(db: "Database", *statements: str) -> None:
    for statement in statements:
        db.execute(statement)


@MIRROR()
def m001_first(db: "Database") -> None:
    """Orders, listings, passes: everything that comes back by syncing."""
    _run(
        db,
        """CREATE TABLE orders (
            order_id INTEGER PRIMARY KEY, state INTEGER NOT NULL, status TEXT NOT NULL, country_code TEXT,
            currency TEXT, price INTEGER, shipping_price INTEGER, sales_taxes INTEGER,
            created TEXT, modified TEXT, paid TEXT, shipped TEXT, expected TEXT, due TEXT,
            n_lines INTEGER NOT NULL, buyer TEXT, city TEXT, tracking TEXT, shipper TEXT, payment_method TEXT,
            is_backship INTEGER NOT NULL, raw TEXT NOT NULL, content_hash BLOB NOT NULL,
            fetched_at TEXT NOT NULL) STRICT""",
        "CREATE INDEX orders_created ON orders (created DESC, order_id DESC)",
        "CREATE INDEX orders_status ON orders (status, created DESC, order_id DESC)",
        "CREATE INDEX orders_modified ON orders (modified)",
        "CREATE INDEX orders_open ON orders (fetched_at) WHERE state IN (1, 3)",
        """CREATE TABLE orderlines (
            order_id INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE, line_id INTEGER NOT NULL,
            state INTEGER NOT NULL, sku TEXT, listing_id INTEGER, product TEXT, product_id TEXT, brand TEXT,
            condition INTEGER, quantity INTEGER NOT NULL, currency TEXT, price INTEGER, shipping_price INTEGER,
            fee INTEGER, sales_taxes INTEGER, imei TEXT, serial_number TEXT, return_reason INTEGER,
            return_message TEXT, shipping_delay INTEGER, backcare INTEGER, created TEXT,
            PRIMARY KEY (order_id, line_id)) STRICT, WITHOUT ROWID""",
        "CREATE INDEX orderlines_sku ON orderlines (sku, order_id)",
        "CREATE INDEX orderlines_imei ON orderlines (imei) WHERE imei IS NOT NULL",
        """CREATE TABLE listings (
            row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, listing_id INTEGER, sku TEXT NOT NULL,
            title TEXT NOT NULL, product_id TEXT, backmarket_id INTEGER, grade TEXT, quantity INTEGER,
            first_seen TEXT NOT NULL, fetched_at TEXT NOT NULL, deleted_at TEXT) STRICT""",
        "CREATE INDEX listings_sku ON listings (sku)",
        "CREATE INDEX listings_number ON listings (listing_id)",
        "CREATE INDEX listings_title ON listings (title, row)",
        """CREATE TABLE offers (
            listing TEXT NOT NULL REFERENCES listings (id) ON DELETE CASCADE, market TEXT NOT NULL,
            currency TEXT NOT NULL, price INTEGER, min_price INTEGER, max_price INTEGER,
            publication_state INTEGER, comment TEXT, warranty_delay INTEGER,
            box_price INTEGER, price_to_win INTEGER, winner_price INTEGER, winning INTEGER,
            box_first TEXT, box_last TEXT,
            raw TEXT NOT NULL, content_hash BLOB NOT NULL, fetched_at TEXT NOT NULL,
            PRIMARY KEY (listing, market)) STRICT, WITHOUT ROWID""",
        "CREATE INDEX offers_market ON offers (market, price)",
        """CREATE TABLE passes (
            pass_id INTEGER PRIMARY KEY, stream TEXT NOT NULL, kind TEXT NOT NULL, since TEXT, server_date TEXT,
            local_date TEXT NOT NULL, count INTEGER, pages INTEGER, seen INTEGER, dups INTEGER, changed INTEGER,
            quarantined INTEGER, status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT) STRICT""",
        "CREATE INDEX passes_stream ON passes (stream, pass_id DESC)",
        """CREATE TABLE pass_pages (
            pass_id INTEGER NOT NULL REFERENCES passes ON DELETE CASCADE, page INTEGER NOT NULL, count INTEGER,
            server_date TEXT, keys TEXT NOT NULL, changed INTEGER NOT NULL, found INTEGER NOT NULL,
            quarantined INTEGER NOT NULL, PRIMARY KEY (pass_id, page)) STRICT""",
        """CREATE TABLE streams (
            name TEXT PRIMARY KEY, watermark TEXT, last_clean TEXT, last_run TEXT, last_result TEXT, last_error TEXT,
            known_paths TEXT NOT NULL DEFAULT '[]', usual_paths TEXT NOT NULL DEFAULT '[]') STRICT""",
        """CREATE TABLE removals (
            listing TEXT PRIMARY KEY REFERENCES listings (id) ON DELETE CASCADE, verdict TEXT NOT NULL,
            found TEXT NOT NULL) STRICT""",
        "CREATE TABLE to_observe (listing TEXT PRIMARY KEY, due TEXT NOT NULL, tries INTEGER NOT NULL) STRICT",
        """CREATE TABLE quarantine (
            id INTEGER PRIMARY KEY, stream TEXT NOT NULL, key TEXT, raw TEXT NOT NULL, error TEXT NOT NULL,
            pass_id INTEGER, at TEXT NOT NULL) STRICT""",
        "CREATE UNIQUE INDEX quarantine_key ON quarantine (stream, key)",
    )


@MIRROR()
def m010_search(db: "Database") -> None:
    """What rows are found by, and its index."""
    _run(db, *search.SCHEMA)
    search.fill(db.conn)


@MIRROR()
def m011_purge(db: "Database") -> None:
    """When the buyer was taken out of an order, the orders that still have theirs, when the file was written anew."""
    _run(
        db,
        "ALTER TABLE orders ADD COLUMN purged TEXT",
        "CREATE INDEX orders_to_purge ON orders (modified) WHERE purged IS NULL",
        "CREATE TABLE rewritten (row INTEGER PRIMARY KEY CHECK (row = 1), at TEXT NOT NULL) STRICT",
    )


@MIRROR()
def m012_floors(db: "Database") -> None:
    """The floor of each offer as repricing last worked it out, which the filters of listings go by."""
    _run(db, "ALTER TABLE offers ADD COLUMN floor INTEGER")


@MIRROR()
def m020_erased(db: "Database") -> None:
    """Whether the buyer of an order was taken out by name, and is to stay out when the order changes."""
    _run(db, "ALTER TABLE orders ADD COLUMN erased INTEGER NOT NULL DEFAULT 0")


@JOURNAL()
def j001_first(db: "Database") -> None:
    """Intents and their audit: what cannot be fetched again."""
    _run(
        db,
        """CREATE TABLE intents (
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, target TEXT NOT NULL, market TEXT, base TEXT NOT NULL,
            want TEXT NOT NULL, state TEXT NOT NULL, origin TEXT NOT NULL, run TEXT, undoes INTEGER,
            undone_by INTEGER, owner TEXT, epoch INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
            readback TEXT, error TEXT, created TEXT NOT NULL, updated TEXT NOT NULL) STRICT""",
        """CREATE UNIQUE INDEX intents_in_flight ON intents (target)
            WHERE state IN ('sent', 'unknown') AND owner IS NOT NULL""",
        "CREATE INDEX intents_state ON intents (state, id)",
        "CREATE INDEX intents_target ON intents (target, id)",
        """CREATE TABLE attempts (
            intent INTEGER NOT NULL REFERENCES intents, n INTEGER NOT NULL, step TEXT NOT NULL, at TEXT NOT NULL,
            status INTEGER, note TEXT, PRIMARY KEY (intent, n)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE audit (
            seq INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, event TEXT NOT NULL,
            prev BLOB NOT NULL, hash BLOB NOT NULL) STRICT""",
        """CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
        """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
    )


@JOURNAL()
def j002_writes(db: "Database") -> None:
    """What a write found before it was sent, what it was typed as, whether it was acknowledged; notes on orders."""
    _run(
        db,
        "ALTER TABLE intents ADD COLUMN before TEXT",
        "ALTER TABLE intents ADD COLUMN typed TEXT",
        "ALTER TABLE intents ADD COLUMN note TEXT",
        "ALTER TABLE intents ADD COLUMN acked INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX intents_run ON intents (run, id) WHERE run IS NOT NULL",
        """CREATE TABLE notes (
            id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, at TEXT NOT NULL, text TEXT NOT NULL) STRICT""",
        "CREATE INDEX notes_order ON notes (order_id, id)",
    )


@JOURNAL()
def j003_repricing(db: "Database") -> None:
    """Costs, pauses and listings' own modes with their history; our price changes by when they were confirmed."""
    _run(
        db,
        """CREATE TABLE costs (
            id INTEGER PRIMARY KEY, sku TEXT NOT NULL, market TEXT, grade TEXT, currency TEXT NOT NULL,
            purchase INTEGER NOT NULL, parts INTEGER NOT NULL, labour INTEGER NOT NULL, shipping INTEGER NOT NULL,
            fee TEXT, target_margin TEXT, min_profit INTEGER, manual_min INTEGER, manual_max INTEGER, vat TEXT,
            valid_from TEXT NOT NULL, superseded TEXT) STRICT""",
        """CREATE UNIQUE INDEX costs_now ON costs (sku, coalesce(market, ''), coalesce(grade, ''))
            WHERE superseded IS NULL""",
        "CREATE INDEX costs_of ON costs (sku, id)",
        """CREATE TABLE pauses (
            id INTEGER PRIMARY KEY, market TEXT, listing TEXT, why TEXT, since TEXT NOT NULL, ended TEXT) STRICT""",
        """CREATE UNIQUE INDEX pauses_now ON pauses (coalesce(market, ''), coalesce(listing, ''))
            WHERE ended IS NULL""",
        """CREATE TABLE own_modes (
            id INTEGER PRIMARY KEY, listing TEXT NOT NULL, mode TEXT NOT NULL, since TEXT NOT NULL,
            ended TEXT) STRICT""",
        "CREATE UNIQUE INDEX own_modes_now ON own_modes (listing) WHERE ended IS NULL",
        """CREATE INDEX intents_confirmed ON intents (updated)
            WHERE kind = 'listing' AND state = 'confirmed' AND attempts > 0""",
    )


@JOURNAL()
def j004_behind(db: "Database") -> None:
    """Which writes of the same offer were not finished when one was planned, as a list of ids."""
    _run(db, "ALTER TABLE intents ADD COLUMN behind TEXT NOT NULL DEFAULT '[]'")


@HISTORY()
def h001_first(db: "Database") -> None:
    """Observations and events: a row only when something changed, with when it was first and last seen."""
    _run(
        db,
        """CREATE TABLE observations (
            id INTEGER PRIMARY KEY, listing TEXT NOT NULL, market TEXT NOT NULL, currency TEXT NOT NULL,
            price INTEGER, price_to_win INTEGER, winner_price INTEGER, winning INTEGER,
            first_seen TEXT NOT NULL, last_seen TEXT NOT NULL) STRICT""",
        "CREATE INDEX observations_of ON observations (listing, market, id DESC)",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY, at TEXT NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL,
            message TEXT NOT NULL, ref TEXT) STRICT""",
        "CREATE INDEX events_at ON events (at)",
        """CREATE TABLE prices (
            id INTEGER PRIMARY KEY, listing TEXT NOT NULL, market TEXT NOT NULL, currency TEXT NOT NULL,
            price INTEGER, min_price INTEGER, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL) STRICT""",
        "CREATE INDEX prices_of ON prices (listing, market, id DESC)",
        """CREATE TABLE stocks (
            id INTEGER PRIMARY KEY, listing TEXT NOT NULL, quantity INTEGER NOT NULL,
            first_seen TEXT NOT NULL, last_seen TEXT NOT NULL) STRICT""",
        "CREATE INDEX stocks_of ON stocks (listing, id DESC)",
    )


@HISTORY()
def h002_repricing(db: "Database") -> None:
    """Runs of repricing with the rules that they went by, decisions, and what came of each change.

    A decision holds from its run until `until_run`, when another one took its place: what stays is not written again.
    """
    _run(
        db,
        "CREATE TABLE rule_texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID",
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cause TEXT NOT NULL, mode TEXT NOT NULL,
            rules TEXT REFERENCES rule_texts, at TEXT NOT NULL, ended TEXT, counts TEXT NOT NULL DEFAULT '{}',
            notice TEXT) STRICT""",
        """CREATE TABLE decisions (
            id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, until_run INTEGER, again_of INTEGER,
            listing TEXT NOT NULL, market TEXT NOT NULL, sku TEXT NOT NULL, currency TEXT NOT NULL,
            standing TEXT NOT NULL, decision TEXT NOT NULL, rule TEXT, old INTEGER, target INTEGER, floor INTEGER,
            worth INTEGER, weight INTEGER NOT NULL, body TEXT NOT NULL, key BLOB NOT NULL, at TEXT NOT NULL,
            state TEXT NOT NULL, result TEXT, intent INTEGER) STRICT""",
        "CREATE UNIQUE INDEX decisions_now ON decisions (listing, market) WHERE until_run IS NULL",
        "CREATE INDEX decisions_standing ON decisions (standing, weight DESC, id) WHERE until_run IS NULL",
        "CREATE INDEX decisions_weight ON decisions (weight DESC, id) WHERE until_run IS NULL",
        "CREATE INDEX decisions_state ON decisions (state, weight DESC, id) WHERE until_run IS NULL",
        "CREATE INDEX decisions_run ON decisions (run, id)",
        "CREATE INDEX decisions_again ON decisions (again_of) WHERE again_of IS NOT NULL",
        "CREATE INDEX decisions_ended ON decisions (at) WHERE until_run IS NOT NULL",
        """CREATE TABLE outcomes (
            id INTEGER PRIMARY KEY, intent INTEGER NOT NULL, run TEXT, listing TEXT NOT NULL, market TEXT NOT NULL,
            sku TEXT NOT NULL, rule TEXT, strategy TEXT, currency TEXT NOT NULL, old INTEGER, new INTEGER NOT NULL,
            net INTEGER, won_before INTEGER, changed TEXT NOT NULL, step INTEGER NOT NULL, due TEXT NOT NULL,
            seen TEXT, cut_short INTEGER NOT NULL DEFAULT 0, winning INTEGER, price INTEGER, price_to_win INTEGER,
            sold INTEGER, UNIQUE (intent, step)) STRICT""",
        "CREATE INDEX outcomes_due ON outcomes (due) WHERE seen IS NULL",
        "CREATE INDEX outcomes_changed ON outcomes (changed)",
        "CREATE INDEX outcomes_of ON outcomes (listing, market, id)",
        "CREATE INDEX observations_seen ON observations (last_seen)",
    )


@HISTORY()
def h003_looks(db: "Database") -> None:
    """How many looks an observation stands for."""
    _run(db, "ALTER TABLE observations ADD COLUMN looks INTEGER NOT NULL DEFAULT 1")
