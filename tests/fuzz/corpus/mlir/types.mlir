module @module {
  func.func @main(%arg0: !torch.vtensor<[2,2],f32>, %arg1: !torch.vtensor<[2],si32>, %arg2: !torch.vtensor<[2],i1>) -> (!torch.vtensor<[2,2],f32>, !torch.vtensor<[2],si32>, !torch.vtensor<[2,2],f64>, !torch.vtensor<[2],i1>) attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.vtensor.literal(dense_resource<torch_tensor_2_2_torch.uint8> : tensor<2x2xui8>) : !torch.vtensor<[2,2],ui8>
    %int11 = torch.constant.int 11
    %1 = torch.prims.convert_element_type %0, %int11 : !torch.vtensor<[2,2],ui8>, !torch.int -> !torch.vtensor<[2,2],i1>
    %2 = torch.vtensor.literal(dense_resource<torch_tensor_2_torch.float16> : tensor<2xf16>) : !torch.vtensor<[2],f16>
    %3 = torch.vtensor.literal(dense_resource<torch_tensor_2_torch.bfloat16> : tensor<2xbf16>) : !torch.vtensor<[2],bf16>
    %4 = torch.vtensor.literal(dense<2.500000e+00> : tensor<f32>) : !torch.vtensor<[],f32>
    %5 = torch.vtensor.literal(dense_resource<torch_tensor_2_torch.uint8> : tensor<2xui8>) : !torch.vtensor<[2],ui8>
    %6 = torch.vtensor.literal(dense_resource<torch_tensor_2_torch.int16> : tensor<2xsi16>) : !torch.vtensor<[2],si16>
    %7 = torch.vtensor.literal(dense_resource<torch_tensor_2_torch.int8> : tensor<2xsi8>) : !torch.vtensor<[2],si8>
    %8 = torch.vtensor.literal(dense_resource<torch_tensor_2_torch.complex64> : tensor<2xcomplex<f32>>) : !torch.vtensor<[2],complex<f32>>
    %9 = torch.aten.__and__.Tensor %1, %arg2 : !torch.vtensor<[2,2],i1>, !torch.vtensor<[2],i1> -> !torch.vtensor<[2,2],i1>
    %float-Inf = torch.constant.float 0xFFF0000000000000
    %10 = torch.aten.where.ScalarOther %9, %arg0, %float-Inf : !torch.vtensor<[2,2],i1>, !torch.vtensor<[2,2],f32>, !torch.float -> !torch.vtensor<[2,2],f32>
    %none = torch.constant.none
    %none_0 = torch.constant.none
    %int5 = torch.constant.int 5
    %cpu = torch.constant.device "cpu"
    %int0 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %2, %none, %none_0, %int5, %cpu, %int0 : !torch.vtensor<[2],f16>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int6 = torch.constant.int 6
    %false = torch.constant.bool false
    %false_1 = torch.constant.bool false
    %none_2 = torch.constant.none
    %11 = torch.aten.to.dtype %2, %int6, %false, %false_1, %none_2 : !torch.vtensor<[2],f16>, !torch.int, !torch.bool, !torch.bool, !torch.none -> !torch.vtensor<[2],f32>
    %int1 = torch.constant.int 1
    %12 = torch.aten.add.Tensor %10, %11, %int1 : !torch.vtensor<[2,2],f32>, !torch.vtensor<[2],f32>, !torch.int -> !torch.vtensor<[2,2],f32>
    %none_3 = torch.constant.none
    %none_4 = torch.constant.none
    %int15 = torch.constant.int 15
    %cpu_5 = torch.constant.device "cpu"
    %int0_6 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %3, %none_3, %none_4, %int15, %cpu_5, %int0_6 : !torch.vtensor<[2],bf16>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int6_7 = torch.constant.int 6
    %false_8 = torch.constant.bool false
    %false_9 = torch.constant.bool false
    %none_10 = torch.constant.none
    %13 = torch.aten.to.dtype %3, %int6_7, %false_8, %false_9, %none_10 : !torch.vtensor<[2],bf16>, !torch.int, !torch.bool, !torch.bool, !torch.none -> !torch.vtensor<[2],f32>
    %int1_11 = torch.constant.int 1
    %14 = torch.aten.add.Tensor %12, %13, %int1_11 : !torch.vtensor<[2,2],f32>, !torch.vtensor<[2],f32>, !torch.int -> !torch.vtensor<[2,2],f32>
    %none_12 = torch.constant.none
    %15 = torch.aten.clone %4, %none_12 : !torch.vtensor<[],f32>, !torch.none -> !torch.vtensor<[],f32>
    %16 = torch.operator "torch.aten.detach_"(%15) : (!torch.vtensor<[],f32>) -> !torch.vtensor<[],f32> 
    %int1_13 = torch.constant.int 1
    %17 = torch.aten.add.Tensor %14, %16, %int1_13 : !torch.vtensor<[2,2],f32>, !torch.vtensor<[],f32>, !torch.int -> !torch.vtensor<[2,2],f32>
    %none_14 = torch.constant.none
    %none_15 = torch.constant.none
    %int0_16 = torch.constant.int 0
    %cpu_17 = torch.constant.device "cpu"
    %int0_18 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %5, %none_14, %none_15, %int0_16, %cpu_17, %int0_18 : !torch.vtensor<[2],ui8>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int3 = torch.constant.int 3
    %false_19 = torch.constant.bool false
    %false_20 = torch.constant.bool false
    %none_21 = torch.constant.none
    %18 = torch.aten.to.dtype %5, %int3, %false_19, %false_20, %none_21 : !torch.vtensor<[2],ui8>, !torch.int, !torch.bool, !torch.bool, !torch.none -> !torch.vtensor<[2],si32>
    %int1_22 = torch.constant.int 1
    %19 = torch.aten.add.Tensor %arg1, %18, %int1_22 : !torch.vtensor<[2],si32>, !torch.vtensor<[2],si32>, !torch.int -> !torch.vtensor<[2],si32>
    %none_23 = torch.constant.none
    %none_24 = torch.constant.none
    %int2 = torch.constant.int 2
    %cpu_25 = torch.constant.device "cpu"
    %int0_26 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %6, %none_23, %none_24, %int2, %cpu_25, %int0_26 : !torch.vtensor<[2],si16>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int3_27 = torch.constant.int 3
    %false_28 = torch.constant.bool false
    %false_29 = torch.constant.bool false
    %none_30 = torch.constant.none
    %20 = torch.aten.to.dtype %6, %int3_27, %false_28, %false_29, %none_30 : !torch.vtensor<[2],si16>, !torch.int, !torch.bool, !torch.bool, !torch.none -> !torch.vtensor<[2],si32>
    %int1_31 = torch.constant.int 1
    %21 = torch.aten.add.Tensor %19, %20, %int1_31 : !torch.vtensor<[2],si32>, !torch.vtensor<[2],si32>, !torch.int -> !torch.vtensor<[2],si32>
    %none_32 = torch.constant.none
    %none_33 = torch.constant.none
    %int1_34 = torch.constant.int 1
    %cpu_35 = torch.constant.device "cpu"
    %int0_36 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %7, %none_32, %none_33, %int1_34, %cpu_35, %int0_36 : !torch.vtensor<[2],si8>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int3_37 = torch.constant.int 3
    %false_38 = torch.constant.bool false
    %false_39 = torch.constant.bool false
    %none_40 = torch.constant.none
    %22 = torch.aten.to.dtype %7, %int3_37, %false_38, %false_39, %none_40 : !torch.vtensor<[2],si8>, !torch.int, !torch.bool, !torch.bool, !torch.none -> !torch.vtensor<[2],si32>
    %int1_41 = torch.constant.int 1
    %23 = torch.aten.add.Tensor %21, %22, %int1_41 : !torch.vtensor<[2],si32>, !torch.vtensor<[2],si32>, !torch.int -> !torch.vtensor<[2],si32>
    %24 = torch.aten.abs %8 : !torch.vtensor<[2],complex<f32>> -> !torch.vtensor<[2],f32>
    %none_42 = torch.constant.none
    %none_43 = torch.constant.none
    %int6_44 = torch.constant.int 6
    %cpu_45 = torch.constant.device "cpu"
    %int0_46 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %arg0, %none_42, %none_43, %int6_44, %cpu_45, %int0_46 : !torch.vtensor<[2,2],f32>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int7 = torch.constant.int 7
    %false_47 = torch.constant.bool false
    %false_48 = torch.constant.bool false
    %none_49 = torch.constant.none
    %25 = torch.aten.to.dtype %arg0, %int7, %false_47, %false_48, %none_49 : !torch.vtensor<[2,2],f32>, !torch.int, !torch.bool, !torch.bool, !torch.none -> !torch.vtensor<[2,2],f64>
    %26 = torch.aten.mul.Tensor %24, %25 : !torch.vtensor<[2],f32>, !torch.vtensor<[2,2],f64> -> !torch.vtensor<[2,2],f64>
    %none_50 = torch.constant.none
    %none_51 = torch.constant.none
    %int3_52 = torch.constant.int 3
    %cpu_53 = torch.constant.device "cpu"
    %int0_54 = torch.constant.int 0
    torch.aten._assert_tensor_metadata %arg1, %none_50, %none_51, %int3_52, %cpu_53, %int0_54 : !torch.vtensor<[2],si32>, !torch.none, !torch.none, !torch.int, !torch.Device, !torch.int
    %int11_55 = torch.constant.int 11
    %false_56 = torch.constant.bool false
    %false_57 = torch.constant.bool false
    %none_58 = torch.constant.none
    %27 = torch.aten.to.dtype %arg1, %int11_55, %false_56, %false_57, %none_58 : !torch.vtensor<[2],si32>, !torch.int, !torch.bool, !torch.bool, !torch.none -> !torch.vtensor<[2],i1>
    return %17, %23, %26, %27 : !torch.vtensor<[2,2],f32>, !torch.vtensor<[2],si32>, !torch.vtensor<[2,2],f64>, !torch.vtensor<[2],i1>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_2_2_torch.uint8: "0x0100000001000001",
      torch_tensor_2_torch.float16: "0x02000000003800BE",
      torch_tensor_2_torch.bfloat16: "0x020000004040807F",
      torch_tensor_2_torch.uint8: "0x0100000001FF",
      torch_tensor_2_torch.int16: "0x02000000FDFF0400",
      torch_tensor_2_torch.int8: "0x01000000FD04",
      torch_tensor_2_torch.complex64: "0x080000000000803F0000004000000080000080BF"
    }
  }
#-}
