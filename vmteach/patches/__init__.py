"""The twelve entries of the changelog, in its order: one module each, of the same name."""

STEMS = (
    "blkdev_eof",
    "csum_trail",
    "elf_interp",
    "extraversion",
    "mremap",
    "ncpfs",
    "rawio",
    "shm_big_iron",
    "mremap_race",
    "nfs_directio",
    "overflow_buffers",
    "scsi_deadlock",
)
