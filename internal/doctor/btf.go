package doctor

import "os"

// kernelTypes is where the kernel shows its BTF.
const kernelTypes = "/sys/kernel/btf/vmlinux"

func (s *subject) btf() Finding {
	info, err := os.Stat(kernelTypes)
	if err != nil {
		return Finding{State: Warn, Found: "the kernel shows no BTF: " + err.Error(),
			Or: "mount sysfs, or boot a kernel with CONFIG_DEBUG_INFO_BTF; captures run without the NIC's metadata"}
	}
	return okay("%s, %d KiB", kernelTypes, info.Size()>>10)
}
