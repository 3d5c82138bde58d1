"""The tables of the backend, for both databases; what ended cannot be edited, whoever asks."""

VERSION = 6
"""Of the tables; a backend does not begin on those of another version (I8)."""

_TABLES = """
CREATE TABLE IF NOT EXISTS kiosk (
    urn TEXT PRIMARY KEY, thumbprint TEXT NOT NULL UNIQUE, next_thumbprint TEXT UNIQUE,
    active INTEGER NOT NULL,
    seq INTEGER, firmware TEXT, seen_at REAL, levels TEXT,
    journal_seq INTEGER NOT NULL DEFAULT 0, journal_head TEXT NOT NULL DEFAULT '',
    journal_no INTEGER NOT NULL DEFAULT 1);

CREATE TABLE IF NOT EXISTS journal (
    kiosk TEXT NOT NULL, journal_no INTEGER NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL,
    record TEXT NOT NULL, fields TEXT NOT NULL, chain TEXT NOT NULL, link BLOB NOT NULL,
    PRIMARY KEY (kiosk, journal_no, seq));
CREATE TABLE IF NOT EXISTS journal_seal (
    kiosk TEXT NOT NULL, journal_no INTEGER NOT NULL, seq INTEGER NOT NULL, thumbprint TEXT NOT NULL,
    signature BLOB NOT NULL, PRIMARY KEY (kiosk, journal_no, seq));
CREATE TABLE IF NOT EXISTS device_certificate (thumbprint TEXT PRIMARY KEY, der BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS publication (
    kind TEXT NOT NULL CHECK (kind IN ('configuration', 'calendar')), serial INTEGER NOT NULL,
    audience TEXT NOT NULL, signed TEXT NOT NULL, PRIMARY KEY (kind, serial));

CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY, kiosk TEXT NOT NULL, thumbprint TEXT NOT NULL, kem BLOB NOT NULL, tbs BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('OPENED', 'CONSUMED', 'AUTHENTICATED', 'REFUSED', 'ENDED')),
    sign_until REAL NOT NULL, ends_at REAL NOT NULL, asks_members INTEGER NOT NULL,
    asked BLOB, status INTEGER, answer BLOB, resident TEXT, person_ref TEXT, members TEXT);

CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, kiosk TEXT NOT NULL, session TEXT NOT NULL REFERENCES session (id),
    asked BLOB NOT NULL, kind TEXT NOT NULL, copies INTEGER NOT NULL, total_yen INTEGER NOT NULL,
    number TEXT NOT NULL UNIQUE, register_version TEXT NOT NULL, register_as_of REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('RESERVED', 'RELEASED', 'ISSUED', 'PRINT_FAILED', 'UNCERTAIN',
        'REFUNDED', 'CANCELLED', 'EXPIRED')),
    expires_at REAL NOT NULL, sealed TEXT, authority TEXT, paid_yen INTEGER, receipt_no TEXT UNIQUE,
    pages_out INTEGER, refunded_yen INTEGER, owed_yen INTEGER, released_at REAL, settled_on TEXT,
    wanted TEXT, contents TEXT);

CREATE TABLE IF NOT EXISTS reprint (
    order_id TEXT NOT NULL REFERENCES orders (order_id), attempt INTEGER NOT NULL, kem BLOB NOT NULL,
    at REAL NOT NULL, sealed TEXT, authority TEXT, outcome TEXT, pages_out INTEGER,
    PRIMARY KEY (order_id, attempt));

CREATE TABLE IF NOT EXISTS claim (
    claim_no TEXT NOT NULL, kiosk TEXT NOT NULL,
    order_id TEXT NOT NULL UNIQUE REFERENCES orders (order_id),
    yen INTEGER NOT NULL CHECK (yen > 0), opened_at REAL NOT NULL, settled_by TEXT, settled_at REAL,
    PRIMARY KEY (kiosk, claim_no));
CREATE TABLE IF NOT EXISTS settlement (
    kiosk TEXT NOT NULL, business_date TEXT NOT NULL, asked BLOB NOT NULL, totals TEXT NOT NULL,
    cash_yen INTEGER NOT NULL, differences TEXT NOT NULL, PRIMARY KEY (kiosk, business_date));

CREATE TABLE IF NOT EXISTS report (
    order_id TEXT NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (order_id, digest));
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS register (version TEXT NOT NULL, as_of REAL NOT NULL);
CREATE TABLE IF NOT EXISTS household (id TEXT PRIMARY KEY, address TEXT NOT NULL, head TEXT);
CREATE TABLE IF NOT EXISTS resident (
    id TEXT PRIMARY KEY, household TEXT NOT NULL REFERENCES household (id), position INTEGER NOT NULL,
    name TEXT NOT NULL, kana TEXT, alias TEXT, former_name TEXT, birth_date TEXT NOT NULL, sex TEXT NOT NULL,
    relation TEXT NOT NULL, resident_since TEXT NOT NULL, address_since TEXT NOT NULL, notified_on TEXT,
    previous_address TEXT, domicile TEXT, family_head TEXT, nationality TEXT, article_30_45 TEXT,
    residence_status TEXT, residence_period TEXT, residence_expiry TEXT, my_number TEXT,
    former_name_kana TEXT, katakana_name TEXT, residence_card_number TEXT);
CREATE TABLE IF NOT EXISTS standing (
    resident TEXT PRIMARY KEY REFERENCES resident (id), deceased INTEGER NOT NULL, moved_out INTEGER NOT NULL,
    move_out_planned INTEGER NOT NULL, support_measure INTEGER NOT NULL,
    gaiji_pending INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seal (
    resident TEXT PRIMARY KEY REFERENCES resident (id), picture BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tax (
    resident TEXT NOT NULL REFERENCES resident (id), fiscal_year INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (resident, fiscal_year));
CREATE TABLE IF NOT EXISTS card (
    issuer BLOB NOT NULL, serial TEXT NOT NULL, resident TEXT NOT NULL REFERENCES resident (id),
    PRIMARY KEY (issuer, serial));
CREATE TABLE IF NOT EXISTS breaker (
    reason TEXT NOT NULL, order_id TEXT NOT NULL, tripped_at REAL NOT NULL, PRIMARY KEY (order_id, reason));
CREATE TABLE IF NOT EXISTS invitation (urn TEXT PRIMARY KEY, code TEXT NOT NULL, good_until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS meta (schema_version INTEGER NOT NULL);

CREATE INDEX IF NOT EXISTS orders_by_session ON orders (session);
CREATE INDEX IF NOT EXISTS orders_by_kiosk ON orders (kiosk, released_at) WHERE settled_on IS NULL;
CREATE INDEX IF NOT EXISTS orders_waiting ON orders (expires_at) WHERE state = 'RESERVED';
CREATE INDEX IF NOT EXISTS sessions_by_key ON session (kem) WHERE state = 'OPENED';
CREATE INDEX IF NOT EXISTS sessions_waiting ON session (ends_at) WHERE state <> 'ENDED';
CREATE INDEX IF NOT EXISTS residents_by_household ON resident (household);
"""

_SQLITE_ONLY = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY, order_id TEXT NOT NULL, state TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT;
CREATE TRIGGER IF NOT EXISTS terminal_stays BEFORE UPDATE OF state ON orders
WHEN OLD.state IN ('ISSUED', 'REFUNDED', 'CANCELLED', 'EXPIRED') AND NEW.state <> OLD.state
    AND NOT (OLD.state = 'ISSUED' AND NEW.state = 'REFUNDED' AND OLD.settled_on IS NULL)
BEGIN SELECT RAISE (ABORT, 'a terminal state never changes'); END;
CREATE TRIGGER IF NOT EXISTS orders_stay BEFORE DELETE ON orders
BEGIN SELECT RAISE (ABORT, 'an order is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS reprints_stay BEFORE DELETE ON reprint
BEGIN SELECT RAISE (ABORT, 'a reprint is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS reprint_is_told AFTER INSERT ON reprint
BEGIN INSERT INTO event (order_id, state) VALUES (NEW.order_id, 'REPRINT_' || NEW.attempt); END;
CREATE TRIGGER IF NOT EXISTS reprint_end_is_told AFTER UPDATE OF outcome ON reprint
BEGIN INSERT INTO event (order_id, state)
    VALUES (NEW.order_id, 'REPRINT_' || NEW.attempt || '_' || upper(NEW.outcome)); END;
CREATE TRIGGER IF NOT EXISTS claim_is_settled_once BEFORE UPDATE ON claim WHEN OLD.settled_by IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'a claim is settled once'); END;
CREATE TRIGGER IF NOT EXISTS settlements_stay BEFORE UPDATE ON settlement
BEGIN SELECT RAISE (ABORT, 'a settlement never changes'); END;
CREATE TRIGGER IF NOT EXISTS settlements_never_go BEFORE DELETE ON settlement
BEGIN SELECT RAISE (ABORT, 'a settlement is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS journals_stay BEFORE UPDATE ON journal
BEGIN SELECT RAISE (ABORT, 'a line of a journal never changes'); END;
CREATE TRIGGER IF NOT EXISTS journals_never_go BEFORE DELETE ON journal
BEGIN SELECT RAISE (ABORT, 'a line of a journal is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS reservation_is_told AFTER INSERT ON orders
BEGIN INSERT INTO event (order_id, state) VALUES (NEW.order_id, NEW.state); END;
CREATE TRIGGER IF NOT EXISTS state_is_told AFTER UPDATE OF state ON orders WHEN NEW.state <> OLD.state
BEGIN INSERT INTO event (order_id, state) VALUES (NEW.order_id, NEW.state); END;
"""

_POSTGRESQL_ONLY = """
CREATE TABLE IF NOT EXISTS event (
    seq BIGINT GENERATED ALWAYS AS IDENTITY, order_id TEXT NOT NULL, state TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (at, seq)) PARTITION BY RANGE (at);
CREATE TABLE IF NOT EXISTS event_else PARTITION OF event DEFAULT;

CREATE OR REPLACE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE OR REPLACE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO event (order_id, state) VALUES (NEW.order_id, NEW.state); RETURN NULL; END $$;

CREATE OR REPLACE FUNCTION tells_reprint() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO event (order_id, state)
    VALUES (NEW.order_id, 'REPRINT_' || NEW.attempt || coalesce('_' || upper(NEW.outcome), ''));
RETURN NULL; END $$;

CREATE OR REPLACE TRIGGER terminal_stays BEFORE UPDATE OF state ON orders FOR EACH ROW
WHEN (OLD.state IN ('ISSUED', 'REFUNDED', 'CANCELLED', 'EXPIRED') AND NEW.state <> OLD.state
    AND NOT (OLD.state = 'ISSUED' AND NEW.state = 'REFUNDED' AND OLD.settled_on IS NULL))
EXECUTE FUNCTION stays ('a terminal state never changes');
CREATE OR REPLACE TRIGGER orders_stay BEFORE DELETE ON orders FOR EACH ROW
EXECUTE FUNCTION stays ('an order is never deleted');
CREATE OR REPLACE TRIGGER reprints_stay BEFORE DELETE ON reprint FOR EACH ROW
EXECUTE FUNCTION stays ('a reprint is never deleted');
CREATE OR REPLACE TRIGGER reprint_is_told AFTER INSERT ON reprint FOR EACH ROW
EXECUTE FUNCTION tells_reprint ();
CREATE OR REPLACE TRIGGER reprint_end_is_told AFTER UPDATE OF outcome ON reprint FOR EACH ROW
EXECUTE FUNCTION tells_reprint ();
CREATE OR REPLACE TRIGGER claim_is_settled_once BEFORE UPDATE ON claim FOR EACH ROW
WHEN (OLD.settled_by IS NOT NULL) EXECUTE FUNCTION stays ('a claim is settled once');
CREATE OR REPLACE TRIGGER settlements_stay BEFORE UPDATE ON settlement FOR EACH ROW
EXECUTE FUNCTION stays ('a settlement never changes');
CREATE OR REPLACE TRIGGER settlements_never_go BEFORE DELETE ON settlement FOR EACH ROW
EXECUTE FUNCTION stays ('a settlement is never deleted');
CREATE OR REPLACE TRIGGER journals_stay BEFORE UPDATE ON journal FOR EACH ROW
EXECUTE FUNCTION stays ('a line of a journal never changes');
CREATE OR REPLACE TRIGGER journals_never_go BEFORE DELETE ON journal FOR EACH ROW
EXECUTE FUNCTION stays ('a line of a journal is never deleted');
CREATE OR REPLACE TRIGGER reservation_is_told AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION tells ();
CREATE OR REPLACE TRIGGER state_is_told AFTER UPDATE OF state ON orders FOR EACH ROW
WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION tells ();
"""


def for_sqlite() -> str:
    """Every table strict."""
    tables = (
        f"{statement} STRICT" if "CREATE TABLE" in statement else statement
        for statement in _TABLES.split(";\n")
    )
    return ";\n".join(tables) + _SQLITE_ONLY


def for_postgresql() -> str:
    """The same tables; events in monthly partitions, see `partition`."""
    columns = _TABLES.replace(" BLOB", " BYTEA").replace(" INTEGER", " BIGINT")
    return columns.replace(" REAL", " DOUBLE PRECISION") + _POSTGRESQL_ONLY


def partition(year: int, month: int) -> str:
    """The table of one month's events (32 million issuances a year are 255 million of them)."""
    after = f"{year + month // 12}-{month % 12 + 1:02d}-01"
    return (
        f"CREATE TABLE IF NOT EXISTS event_{year}_{month:02d} PARTITION OF event"
        f" FOR VALUES FROM ('{year}-{month:02d}-01 00:00+00') TO ('{after} 00:00+00')"
    )
