"""What several patches share of the kernel: threads and locks, address spaces, low memory, page reclaim."""
