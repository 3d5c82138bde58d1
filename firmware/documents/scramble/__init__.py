"""スクランブル画像: what the front must say, signed and encrypted, as cells on the back. See FORMAT.md."""
