"""Against copying and altering: けん制文字, 検出画像, スクランブル画像, the front's code. See README.md."""
